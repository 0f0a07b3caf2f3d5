import { systemClock, type Clock } from "../core/clock.ts";
import { MCPImageError, StorageError, toMcpImageError } from "../core/errors.ts";
import { createImageId, parseImageId, type ImageId } from "../core/image-id.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import { systemRandom, type Random } from "../core/random.ts";
import type { GenerateImageRequest, ImageGenerator } from "../kserve/generated-image.ts";
import { getLogger, withLogFields } from "../logging/logger.ts";
import type { FairQueue, Lease } from "../queue/fair-queue.ts";
import type { AbstractStorage, FindImagesQuery, ImageRecord, StoredImage } from "../storage/abstract-storage.ts";
import { noMetrics, type Metrics } from "../telemetry/metrics.ts";
import { AbandonedJobs } from "./abandoned-jobs.ts";
import { drawImage } from "./draw-image.ts";
import { ImageJob, type GenerateImageResponse, type JobCaller, type JobControl } from "./image-job.ts";
import { LostCalls, toCallKey } from "./lost-calls.ts";

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
  readonly #generator: ImageGenerator;
  readonly #queue: FairQueue;
  readonly #ensureServing: () => Promise<void>;
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #jobs = new Set<Promise<unknown>>();
  readonly #lostCalls: LostCalls<ImageJob>;
  readonly #abandonedJobs: AbandonedJobs;
  #draining = false;

  constructor(options: ImageServiceOptions) {
    this.#storage = options.storage;
    this.#generator = options.generator;
    this.#queue = options.queue;
    this.ttlSeconds = options.ttlSeconds;
    this.#ensureServing = options.ensureServing ?? (async () => undefined);
    this.#metrics = options.metrics ?? noMetrics;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#lostCalls = new LostCalls({ clock: this.#clock });
    this.#abandonedJobs = new AbandonedJobs({
      generator: options.generator,
      limitMs: (options.jobTimeoutSeconds ?? DEFAULT_JOB_TIMEOUT_SECONDS) * 1000,
      clock: this.#clock,
    });
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
    return job.serve(options);
  }

  /** The metadata of a picture, or `undefined` when it is unknown or its time is over. */
  async getMetadata(imageId: string, signal?: AbortSignal): Promise<ImageMetadata | undefined> {
    await this.#ensureServing();
    if (this.#isExpiredId(imageId)) return undefined;
    const record = await this.#storage.readRecord(imageId, { ...(signal && { signal }) });
    return record && !this.#isExpired(record) ? this.#toMetadata(record) : undefined;
  }

  /** The picture itself, or `undefined` when it is unknown or its time is over. */
  async getImage(imageId: string, signal?: AbortSignal): Promise<StoredImage | undefined> {
    if (this.#isExpiredId(imageId)) return undefined;
    const image = await this.#storage.readImage(imageId, { ...(signal && { signal }) });
    return image && !this.#isExpired(image.record) ? image : undefined;
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
    await Promise.allSettled(this.#jobs);
    await this.#abandonedJobs.close();
  }

  /** The job of an earlier call like this one whose caller was cut off, unless its picture is gone. */
  async #rejoin(key: string): Promise<ImageJob | undefined> {
    const job = this.#lostCalls.take(key);
    if (job === undefined) return undefined;
    const isRunning = this.#jobs.has(job.result);
    if (!isRunning && (await this.getMetadata(job.imageId)) === undefined) return undefined;
    logger.info("call_joined", { image_id: job.imageId });
    return job;
  }

  #startJob(request: GenerateImageRequest, options: GenerateOptions): ImageJob {
    const imageId = createImageId(this.#clock.nowMs(), this.#random);
    const job = new ImageJob(imageId, options, async (control) =>
      withLogFields({ image_id: imageId }, async () => this.#runJob(imageId, request, options.clientId, control)),
    );
    this.#jobs.add(job.result);
    const forget = (): void => void this.#jobs.delete(job.result);
    job.result.then(forget, forget);
    return job;
  }

  async #runJob(
    imageId: ImageId,
    request: GenerateImageRequest,
    clientId: string,
    control: JobControl,
  ): Promise<GenerateImageResponse> {
    let lease: Lease | undefined;
    let isDrawing = false;
    const report: JobControl["report"] = (progress) => {
      isDrawing = progress.phase === "generating";
      control.report(progress);
    };
    try {
      lease = await this.#queue.acquire(clientId, {
        signal: control.signal,
        onPosition: (position) => report({ phase: "queued", ...position }),
      });
      this.#metrics.queueLeft(lease.waitedMs / 1000);
      const response = await this.#generateAndSave(imageId, request, { ...control, report }, lease);
      lease.release();
      return response;
    } catch (error) {
      const failure = toMcpImageError(error);
      if (lease === undefined) this.#metrics.rejected(failure.code);
      else this.#metrics.generationEnded(failure.code, 0);
      const level = failure.code === "cancelled" || failure.retryable ? "warn" : "error";
      logger[level]("generation_failed", { error: failure });
      const mayStillRun = failure.details["maybe_running"] === true || (isDrawing && failure.code === "cancelled");
      if (mayStillRun && lease !== undefined) this.#abandonedJobs.hold(lease);
      else lease?.release({ isSample: false });
      throw failure;
    }
  }

  async #generateAndSave(
    imageId: ImageId,
    request: GenerateImageRequest,
    { signal, report }: JobControl,
    { waitedMs, ahead }: Lease,
  ): Promise<GenerateImageResponse> {
    const startedAtMs = this.#clock.monotonicMs();
    const { imageData, metadata } = await drawImage(this.#generator, request, {
      random: this.#random,
      requestId: imageId,
      signal,
      onProgress: report,
    });
    report({ phase: "saving" });
    const location = await this.#storage.saveImage(imageData, imageId, {
      ...metadata,
      queue_wait_seconds: roundSeconds(waitedMs),
      queue_ahead: ahead,
    });
    const seconds = roundSeconds(this.#clock.monotonicMs() - startedAtMs);
    this.#metrics.generationEnded("ok", seconds);
    logger.info("image_generated", { size: imageData.length, seconds, seed: metadata["seed"] });
    logger.debug("image_stored", { location });

    const stored = await this.#storage.readRecord(imageId);
    if (stored === undefined) {
      throw new StorageError("storage_read_failed", `Cannot find image "${imageId}" right after it was stored`);
    }
    const response = this.#toMetadata(stored);
    return { url: response.url, image_id: imageId, metadata: response };
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

  /** When the picture expires; `undefined` when it never does. */
  expiresAtMs(record: ImageRecord): number | undefined {
    return this.ttlSeconds === undefined ? undefined : Date.parse(record.created_at) + this.ttlSeconds * 1000;
  }

  /** True when the id alone tells that the picture's time is over; spares the store a question. */
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

function roundSeconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}
