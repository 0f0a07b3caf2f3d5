import { systemClock, type Clock } from "../core/clock.ts";
import { MCPImageError, toMcpImageError } from "../core/errors.ts";
import { createImageId, parseImageId } from "../core/image-id.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import type { JsonObject } from "../core/json.ts";
import { systemRandom, type Random } from "../core/random.ts";
import type { GenerateImageRequest, ImageGenerator } from "../kserve/generated-image.ts";
import { getLogger, withLogFields } from "../logging/logger.ts";
import type { FairQueue } from "../queue/fair-queue.ts";
import type { AbstractStorage, FindImagesQuery, ImageRecord, StoredImage } from "../storage/abstract-storage.ts";
import { noMetrics, type Metrics } from "../telemetry/metrics.ts";
import { ImageJob, type GenerateImageResponse, type JobCaller } from "./image-job.ts";
import { JobBoard, type RunningJob } from "./job-board.ts";
import { JobRunner } from "./job-runner.ts";
import { LostCalls, toCallKey } from "./lost-calls.ts";
import { toRunningMetadata } from "./running-metadata.ts";
import { toVariations, type ImageVariation, type VariationOutcome } from "./variations.ts";

export interface ImageServiceOptions {
  readonly storage: AbstractStorage;
  readonly generator: ImageGenerator;
  readonly queue: FairQueue;
  /** `undefined`: pictures never expire. */
  readonly ttlSeconds: number | undefined;
  /** The longest that a job may draw: how long one that was given up keeps its place at most. Default 60. */
  readonly jobTimeoutSeconds?: number;
  /** Awaited before anything that tells a URL: makes sure that somebody answers there. */
  readonly ensureServing?: () => Promise<void>;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface GenerateOptions extends JobCaller {
  /** Whose turn in the queue this takes: the client's address, session or name. */
  readonly clientId: string;
  /**
   * Aborts when the caller was cut off without having cancelled. The job goes on, and the same call of the same client,
   * when it comes again soon, gets its picture.
   */
  readonly lostSignal?: AbortSignal;
  /**
   * After this time the answer is that of a running job: the same shape, with `metadata.status` "running". The job goes
   * on, and its picture is found under the id. 0 answers as soon as the job is accepted. Default: waits to the end.
   */
  readonly maxWaitMs?: number;
  /** Kept with the picture, beside what is known of its making. */
  readonly facts?: JsonObject;
}

/** What the world learns of a stored picture: its record, where it is and until when. */
export type ImageMetadata = ImageRecord & {
  readonly url: string;
  readonly mime_type: string;
  /** ISO 8601, or null when it never expires. */
  readonly expires_at: string | null;
};

export interface MetadataPage {
  /** Newest first; none is expired. */
  readonly images: readonly ImageMetadata[];
  readonly nextCursor?: string;
}

const DEFAULT_JOB_TIMEOUT_SECONDS = 60;

const logger = getLogger("images");

/** From a request to a stored picture with a URL, and from an id back to the picture, while its time to live lasts. */
export class ImageService {
  readonly ttlSeconds: number | undefined;
  readonly #storage: AbstractStorage;
  readonly #ensureServing: () => Promise<void>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #board = new JobBoard();
  readonly #runningJobs = new Map<string, ImageJob>();
  readonly #lostCalls: LostCalls<ImageJob>;
  readonly #runner: JobRunner;
  #draining = false;

  constructor(options: ImageServiceOptions) {
    this.#storage = options.storage;
    this.ttlSeconds = options.ttlSeconds;
    this.#ensureServing = options.ensureServing ?? (async () => undefined);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#lostCalls = new LostCalls({ clock: this.#clock });
    this.#runner = new JobRunner({
      storage: options.storage,
      generator: options.generator,
      queue: options.queue,
      jobTimeoutMs: (options.jobTimeoutSeconds ?? DEFAULT_JOB_TIMEOUT_SECONDS) * 1000,
      metrics: options.metrics ?? noMetrics,
      clock: this.#clock,
      random: this.#random,
    });
  }

  /** The jobs of this process and where each is. */
  get jobs(): Pick<JobBoard, "list" | "subscribe"> {
    return this.#board;
  }

  /**
   * Generates a picture, stores it, and only then answers.
   *
   * @throws {KServeError} what the queue, the model server or the way to it did
   * @throws {StorageError} when the picture could not be stored
   * @throws {MCPImageError} `cancelled`, `shutting_down`
   */
  async generate(request: GenerateImageRequest, options: GenerateOptions): Promise<GenerateImageResponse> {
    if (this.#draining) throw new MCPImageError("shutting_down", "Cannot start a job: the server is shutting down");
    await this.#ensureServing();
    const key = toCallKey(options.clientId, request);
    const job = (await this.#rejoin(key)) ?? this.#startJob(request, options);
    const lose = (): void => {
      logger.info("call_lost", { image_id: job.imageId });
      this.#lostCalls.add(key, job);
    };
    // Stays after the answer was given: a connection may turn out to be lost only when the answer is sent.
    options.lostSignal?.addEventListener("abort", lose, { once: true });
    if (options.lostSignal?.aborted) lose();
    return this.#waitFor(job, options);
  }

  /**
   * Draws a stored picture again with new seeds or other settings, up to 8 times. Each outcome stands for itself: some
   * may have been refused by a full queue while others run. `undefined` when the picture is unknown or its time is over.
   *
   * @throws {ValidationError} `invalid_argument` for a count or seeds that do not fit, or a picture without settings
   */
  async vary(
    imageId: string,
    variation: ImageVariation,
    options: GenerateOptions,
  ): Promise<readonly VariationOutcome[] | undefined> {
    const source = await this.getMetadata(imageId, options.signal);
    if (source === undefined) return undefined;
    const facts = { ...options.facts, varied_from: source.image_id };
    return Promise.all(
      toVariations(source, variation).map(async (request): Promise<VariationOutcome> => {
        try {
          return { ok: true, response: await this.generate(request, { ...options, facts }) };
        } catch (error) {
          return { ok: false, error: toMcpImageError(error) };
        }
      }),
    );
  }

  /** The metadata of a picture, or `undefined` when it is unknown or its time is over. */
  async getMetadata(imageId: string, signal?: AbortSignal): Promise<ImageMetadata | undefined> {
    await this.#ensureServing();
    const record = await this.#storage.readRecord(imageId, { ...(signal && { signal }) });
    return record && !this.#isExpired(record) ? this.#toMetadata(record) : undefined;
  }

  /** The picture itself, or `undefined` when it is unknown or its time is over. */
  async getImage(imageId: string, signal?: AbortSignal): Promise<StoredImage | undefined> {
    // The time in the id is over, unless the picture is kept: that costs no read of it.
    if (this.#isExpiredId(imageId) && (await this.getMetadata(imageId, signal)) === undefined) return undefined;
    const image = await this.#storage.readImage(imageId, { ...(signal && { signal }) });
    return image && !this.#isExpired(image.record) ? image : undefined;
  }

  /**
   * Keeps a picture for good, or lets its time to live count again, and gives its metadata after that: of one whose
   * time is over once it is released, `expires_at` lies in the past. `undefined` when it is unknown or expired.
   */
  async keepImage(imageId: string, keep: boolean, signal?: AbortSignal): Promise<ImageMetadata | undefined> {
    const options = { ...(signal && { signal }) };
    if ((await this.getMetadata(imageId, signal)) === undefined) return undefined;
    if (!(await this.#storage.keepImage(imageId, keep, options))) return undefined;
    logger.info(keep ? "image_kept" : "image_released", { image_id: imageId });
    const record = await this.#storage.readRecord(imageId, options);
    return record && this.#toMetadata(record);
  }

  /** One page of pictures that have not expired, newest first. */
  async listImages(query: Omit<FindImagesQuery, "createdAfterMs"> = {}): Promise<MetadataPage> {
    await this.#ensureServing();
    const { records, nextCursor } = await this.#storage.findImages({
      ...query,
      ...(this.ttlSeconds !== undefined && { createdAfterMs: this.#clock.nowMs() - this.ttlSeconds * 1000 }),
    });
    return {
      images: records.map((record) => this.#toMetadata(record)),
      ...(nextCursor !== undefined && { nextCursor }),
    };
  }

  /** True when this call deleted the picture. */
  async deleteImage(imageId: string): Promise<boolean> {
    const deleted = await this.#storage.deleteImage(imageId);
    if (deleted) logger.info("image_deleted", { image_id: imageId });
    return deleted;
  }

  /** Deletes what has expired and gives how many; 0 when pictures never expire. */
  async cleanupExpired(signal?: AbortSignal): Promise<number> {
    if (this.ttlSeconds === undefined) return 0;
    return this.#storage.cleanupExpiredImages(this.ttlSeconds, { ...(signal && { signal }) });
  }

  /** Seconds until the picture expires: `Infinity` when it never does, 0 when it has. */
  remainingSeconds(record: ImageRecord): number {
    const expiresAtMs = this.expiresAtMs(record);
    if (expiresAtMs === undefined) return Infinity;
    return Math.max(0, Math.floor((expiresAtMs - this.#clock.nowMs()) / 1000));
  }

  /** Refuses new jobs from now on and resolves when the accepted ones have ended. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.allSettled(Array.from(this.#runningJobs.values(), async ({ result }) => result));
    await this.#runner.close();
  }

  /** The job of an earlier call like this one whose caller was cut off, unless its picture is gone. */
  async #rejoin(key: string): Promise<ImageJob | undefined> {
    const job = this.#lostCalls.take(key);
    if (job === undefined) return undefined;
    const isRunning = this.#runningJobs.has(job.imageId);
    if (!isRunning && (await this.getMetadata(job.imageId)) === undefined) return undefined;
    logger.info("call_joined", { image_id: job.imageId });
    return job;
  }

  #startJob(request: GenerateImageRequest, options: GenerateOptions): ImageJob {
    const startedAtMs = this.#clock.nowMs();
    const imageId = createImageId(startedAtMs, this.#random);
    const order = { imageId, request, clientId: options.clientId, facts: options.facts ?? {} };
    this.#board.start(imageId, request, startedAtMs);
    const job = new ImageJob(imageId, options, async ({ signal, report }) =>
      withLogFields({ image_id: imageId }, async () => {
        const tell: typeof report = (progress) => {
          this.#board.report(imageId, progress);
          report(progress);
        };
        const metadata = this.#toMetadata(await this.#runner.run(order, { signal, report: tell }));
        return { url: metadata.url, image_id: imageId, metadata };
      }),
    );
    this.#runningJobs.set(imageId, job);
    const forget = (error?: MCPImageError): void => {
      this.#runningJobs.delete(imageId);
      this.#board.end(imageId, error);
    };
    job.result.then(
      () => forget(),
      (error: unknown) => forget(toMcpImageError(error)),
    );
    return job;
  }

  async #waitFor(job: ImageJob, options: GenerateOptions): Promise<GenerateImageResponse> {
    const { maxWaitMs } = options;
    const served = new AbortController();
    const limit =
      maxWaitMs === undefined ? undefined : this.#clock.sleep(maxWaitMs, served.signal).catch(() => undefined);
    try {
      const response = await job.serve(options, limit);
      if (response !== undefined) return response;
    } finally {
      served.abort();
    }
    const running = this.#board.get(job.imageId);
    // It ended in the very moment in which the time was over.
    if (running === undefined) return job.result;
    logger.info("call_answered_early", { image_id: job.imageId });
    return this.#toRunningResponse(running);
  }

  #toRunningResponse(job: RunningJob): GenerateImageResponse {
    const url = this.#storage.toImageUrl(job.imageId);
    const expiresAt =
      this.ttlSeconds === undefined ? null : new Date(job.startedAtMs + this.ttlSeconds * 1000).toISOString();
    return { url, image_id: job.imageId, metadata: { ...toRunningMetadata(job), expires_at: expiresAt, url } };
  }

  #toMetadata(record: ImageRecord): ImageMetadata {
    const expiresAtMs = this.expiresAtMs(record);
    return {
      ...record,
      url: this.#storage.toImageUrl(record.image_id),
      mime_type: IMAGE_FORMATS[record.format].mimeType,
      expires_at: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
    };
  }

  /** When the picture expires; `undefined` when it never does, as it is kept or as nothing expires. */
  expiresAtMs(record: ImageRecord): number | undefined {
    return this.ttlSeconds === undefined || record.kept
      ? undefined
      : Date.parse(record.created_at) + this.ttlSeconds * 1000;
  }

  /** True when the id tells that the picture's time is over, if it is not kept. */
  #isExpiredId(imageId: string): boolean {
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current" || this.ttlSeconds === undefined) return false;
    return parsed.createdAtMs + this.ttlSeconds * 1000 <= this.#clock.nowMs();
  }

  #isExpired(record: ImageRecord): boolean {
    const expiresAtMs = this.expiresAtMs(record);
    return expiresAtMs !== undefined && expiresAtMs <= this.#clock.nowMs();
  }
}
