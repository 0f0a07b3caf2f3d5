import { AccessPolicy } from "../access/access-policy.ts";
import { AuditLog } from "../access/audit-log.ts";
import type { CallLimits } from "../access/call-limits.ts";
import type { Caller } from "../access/principal.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { MCPImageError, toMcpImageError } from "../core/errors.ts";
import { parseImageId, type ImageId } from "../core/image-id.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import type { UrlSigner } from "../core/url-signer.ts";
import { systemRandom, type Random } from "../core/random.ts";
import type { GenerateImageRequest, ImageGenerator } from "../kserve/generated-image.ts";
import { getLogger } from "../logging/logger.ts";
import type { FairQueue } from "../queue/fair-queue.ts";
import type {
  AbstractStorage,
  DirectUrl,
  FindImagesQuery,
  ImageRecord,
  OpenImage,
  StoredImage,
} from "../storage/abstract-storage.ts";
import type { JobRecords } from "../storage/job-records.ts";
import { MemoryJobRecords } from "../storage/memory-job-records.ts";
import { noMetrics, type Metrics } from "../telemetry/metrics.ts";
import { PassThroughTracing, type Tracing } from "../telemetry/tracing.ts";
import { ImageChanges, type ChangeRelay } from "./image-changes.ts";
import type { GenerateImageResponse } from "./image-job.ts";
import { ImageUrls, type UrlMode } from "./image-urls.ts";
import { ImageJobs, type GenerateOptions, type PendingImage, type WaitOptions } from "./image-jobs.ts";
import type { JobBoard } from "./job-board.ts";
import { JobRunner } from "./job-runner.ts";
import { OwnedImages } from "./owned-images.ts";
import type { PictureSigner } from "./signing/picture-signer.ts";
import { toVariations, type ImageVariation, type VariationOutcome } from "./variations.ts";

export interface ImageServiceOptions {
  readonly storage: AbstractStorage;
  readonly generator: ImageGenerator;
  readonly queue: FairQueue;
  /** Tells the other processes of the store what this one does to pictures, and this one what they do. Default: nobody is told. */
  readonly changeRelay?: ChangeRelay | undefined;
  /** Where every process finds the jobs of the others. Default: in this process alone. */
  readonly jobRecords?: JobRecords;
  /** `undefined`: pictures never expire. */
  readonly ttlSeconds: number | undefined;
  /** The longest that a job may draw: how long one that was given up keeps its place at most. Default 60. */
  readonly jobTimeoutSeconds?: number;
  /** False leaves the prompts out of the picture's file; its record has them all the same. Default true. */
  readonly embedsPrompt?: boolean;
  /** Signs what is stored. Default: nobody. */
  readonly signer?: PictureSigner | undefined;
  /** Awaited before anything that tells a URL: makes sure that somebody answers there. */
  readonly ensureServing?: () => Promise<void>;
  /** Default `proxy`. */
  readonly urlMode?: UrlMode;
  /** Signs the URLs of pictures; without one they are not signed. */
  readonly urlSigner?: UrlSigner | undefined;
  /** The longest that a signed URL holds; never longer than its picture. Default 86,400. */
  readonly urlExpirySeconds?: number;
  /** Who may do what. Default: everybody everything. */
  readonly policy?: AccessPolicy;
  /** How many jobs a caller may begin. Default: any number. */
  readonly limits?: CallLimits;
  /** Where it is told who did what. Default: nowhere. */
  readonly audit?: AuditLog;
  readonly tracing?: Tracing;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** What the world learns of a stored picture: its record, where it is and until when. */
export type ImageMetadata = ImageRecord & {
  readonly url: string;
  readonly mime_type: string;
  /** ISO 8601, or null when it never expires. */
  readonly expires_at: string | null;
};

/** A picture that is there. */
export interface ReadyImage {
  readonly status: "ready";
  readonly metadata: ImageMetadata;
}

export interface MetadataPage {
  /** Newest first; none is expired. */
  readonly images: readonly ImageMetadata[];
  readonly nextCursor?: string;
}

const DEFAULT_JOB_TIMEOUT_SECONDS = 60;
const DEFAULT_URL_EXPIRY_SECONDS = 86_400;

const logger = getLogger("images");

/** From a request to a stored picture with a URL, and from an id back to the picture, while its time to live lasts. */
export class ImageService {
  readonly ttlSeconds: number | undefined;
  readonly #storage: AbstractStorage;
  readonly #urls: ImageUrls;
  readonly #ensureServing: () => Promise<void>;
  readonly #policy: AccessPolicy;
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #jobs: ImageJobs;
  readonly #changes: ImageChanges;

  constructor(options: ImageServiceOptions) {
    this.#storage = options.storage;
    this.#changes = new ImageChanges(options.changeRelay);
    this.ttlSeconds = options.ttlSeconds;
    this.#ensureServing = options.ensureServing ?? (async () => undefined);
    this.#policy = options.policy ?? new AccessPolicy();
    this.#audit = options.audit ?? new AuditLog();
    this.#clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom;
    this.#urls = new ImageUrls({
      toImageUrl: (imageId) => this.#storage.toImageUrl(imageId),
      signer: options.urlSigner,
      mode: options.urlMode ?? "proxy",
      storage: this.#storage,
      expirySeconds: options.urlExpirySeconds ?? DEFAULT_URL_EXPIRY_SECONDS,
      clock: this.#clock,
    });
    const runner = new JobRunner({
      storage: options.storage,
      generator: options.generator,
      queue: options.queue,
      jobTimeoutMs: (options.jobTimeoutSeconds ?? DEFAULT_JOB_TIMEOUT_SECONDS) * 1000,
      metrics: options.metrics ?? noMetrics,
      tracing: options.tracing ?? new PassThroughTracing(),
      clock: this.#clock,
      random,
      embedsPrompt: options.embedsPrompt ?? true,
      signer: options.signer,
    });
    this.#jobs = new ImageJobs({
      runner,
      limits: options.limits,
      metrics: options.metrics ?? noMetrics,
      records: options.jobRecords ?? new MemoryJobRecords(),
      clock: this.#clock,
      random,
      isStored: async (imageId) => (await this.getMetadata(imageId)) !== undefined,
      toResponse: async (record) => {
        const metadata = await this.#toMetadata(record);
        return { url: metadata.url, image_id: record.image_id, metadata };
      },
      toPendingResponse: (imageId, metadata) => {
        const expiresAtMs = this.#toExpiresAtMs(imageId);
        const url = this.#urls.toUrl(imageId, expiresAtMs);
        return { url, image_id: imageId, metadata: { ...metadata, expires_at: toDateText(expiresAtMs), url } };
      },
    });
    this.#jobs.board.subscribe(({ kind, job: { imageId } }) => {
      if (kind === "succeeded") this.#changes.tell({ kind: "stored", imageId });
      else if (kind === "failed") this.#changes.tell({ kind: "updated", imageId });
    });
  }

  /** Where pictures come from that this server does not serve itself; `undefined` when it serves them all. */
  get directOrigin(): string | undefined {
    return this.#urls.directOrigin;
  }

  /** The pictures as this caller may see and change them: for everything that acts for somebody outside. */
  for(caller: Caller): OwnedImages {
    return new OwnedImages({ images: this, policy: this.#policy, audit: this.#audit, caller });
  }

  /** What happens to pictures: by this process and, where there is a relay, by the others. */
  get changes(): Pick<ImageChanges, "subscribe"> {
    return this.#changes;
  }

  /** The jobs of this process and where each is. */
  get jobs(): Pick<JobBoard, "list" | "subscribe"> {
    return this.#jobs.board;
  }

  /**
   * Generates a picture, stores it, and only then answers.
   *
   * @throws {KServeError} what the queue, the model server or the way to it did
   * @throws {StorageError} when the picture could not be stored
   * @throws {MCPImageError} `cancelled`, `shutting_down`, `insufficient_scope`
   */
  async generate(request: GenerateImageRequest, options: GenerateOptions): Promise<GenerateImageResponse> {
    if (options.caller) this.#policy.require(options.caller.principal, "images:generate");
    if (this.#jobs.isDraining) throw new MCPImageError("shutting_down", "Cannot start a job: the server shuts down");
    await this.#ensureServing();
    const response = await this.#jobs.generate(request, options);
    const { caller } = options;
    if (caller) this.#audit.record({ action: "generate", caller, imageId: response.image_id, prompt: request.prompt });
    return response;
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
    this.#changes.tell({ kind: "updated", imageId });
    const record = await this.#storage.readRecord(imageId, options);
    return record && this.#toMetadata(record);
  }

  /**
   * A picture that is not stored but that somebody was told of: it is being drawn, here or by another process of the
   * store, or its job has failed. `undefined` when it is stored, unknown, or its time is over.
   */
  async findPending(imageId: string, signal?: AbortSignal): Promise<PendingImage | undefined> {
    if (this.#isExpiredId(imageId)) return undefined;
    const pending = await this.#jobs.find(imageId, signal);
    // Its picture may have been stored before its record went.
    return pending?.status === "failed" && (await this.getMetadata(imageId, signal)) ? undefined : pending;
  }

  /**
   * Waits until the picture is there or its job has failed, as long as the options allow, and gives what is then so.
   * `undefined` when the picture is unknown or its time is over. @throws the reason of the signal; {StorageError}
   */
  async waitForImage(imageId: string, options: WaitOptions = {}): Promise<ReadyImage | PendingImage | undefined> {
    const { signal } = options;
    const metadata = await this.getMetadata(imageId, signal);
    if (metadata !== undefined) return { status: "ready", metadata };
    if (this.#isExpiredId(imageId)) return undefined;
    await this.#jobs.wait(imageId, options);
    const pending = await this.#jobs.find(imageId, signal);
    if (pending?.status === "running") return pending;
    const stored = await this.getMetadata(imageId, signal);
    return stored === undefined ? pending : { status: "ready", metadata: stored };
  }

  /** The picture open for reading in parts, or `undefined` when it is unknown or its time is over. */
  async openImage(imageId: string, signal?: AbortSignal): Promise<OpenImage | undefined> {
    if (this.#isExpiredId(imageId) && (await this.getMetadata(imageId, signal)) === undefined) return undefined;
    const image = await this.#storage.openImage(imageId, { ...(signal && { signal }) });
    if (image === undefined || !this.#isExpired(image.record)) return image;
    image.close();
    return undefined;
  }

  /** Where a client is sent for a stored picture, with its record; `undefined` when this server gives it, or has none. */
  async findRedirect(imageId: string): Promise<(DirectUrl & { readonly record: ImageRecord }) | undefined> {
    if (this.#urls.isProxy) return undefined;
    const record = await this.#storage.readRecord(imageId);
    if (record === undefined || this.#isExpired(record)) return undefined;
    const direct = await this.#urls.toRedirectUrl(record, this.expiresAtMs(record));
    return direct && { ...direct, record };
  }

  /** True when it is known without waiting that no picture has this id, or will have it soon; false says nothing. */
  isAbsent(imageId: string): boolean {
    if (this.#storage.wasMet(imageId)) return false;
    // In this order: a picture is there before its job is gone.
    return this.#jobs.isAbsent(imageId) && this.#storage.isAbsent(imageId);
  }

  /** One page of pictures that have not expired, newest first. */
  async listImages(query: Omit<FindImagesQuery, "createdAfterMs"> = {}): Promise<MetadataPage> {
    await this.#ensureServing();
    const { records, nextCursor } = await this.#storage.findImages({
      ...query,
      ...(this.ttlSeconds !== undefined && { createdAfterMs: this.#clock.nowMs() - this.ttlSeconds * 1000 }),
    });
    return {
      images: await Promise.all(records.map(async (record) => this.#toMetadata(record))),
      ...(nextCursor !== undefined && { nextCursor }),
    };
  }

  /** True when this call deleted the picture, or ended the job that was to draw it. */
  async deleteImage(imageId: string): Promise<boolean> {
    const wasRunning = await this.#jobs.cancelHere(imageId);
    const deleted = await this.#storage.deleteImage(imageId);
    if (deleted) {
      logger.info("image_deleted", { image_id: imageId });
      this.#changes.tell({ kind: "deleted", imageId });
    }
    return deleted || wasRunning || this.#jobs.cancelElsewhere(imageId);
  }

  /** Ends the job that is to draw this picture; false when none runs. A picture that is there stays. */
  async cancelJob(imageId: string): Promise<boolean> {
    if (await this.#jobs.cancelHere(imageId)) return true;
    const pending = await this.findPending(imageId);
    return pending?.status === "running" && this.#jobs.cancelElsewhere(imageId);
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

  /** Refuses new jobs from now on and resolves when the accepted ones have ended; the signal cancels those. */
  async drain(signal?: AbortSignal): Promise<void> {
    await this.#jobs.drain(signal);
  }

  async #toMetadata(record: ImageRecord): Promise<ImageMetadata> {
    const expiresAtMs = this.expiresAtMs(record);
    return {
      ...record,
      url: await this.#urls.toStoredUrl(record, expiresAtMs),
      mime_type: IMAGE_FORMATS[record.format].mimeType,
      expires_at: toDateText(expiresAtMs),
    };
  }

  /** When the picture expires; `undefined` when it never does, as it is kept or as nothing expires. */
  expiresAtMs(record: ImageRecord): number | undefined {
    return this.ttlSeconds === undefined || record.kept
      ? undefined
      : Date.parse(record.created_at) + this.ttlSeconds * 1000;
  }

  /** When the picture of such an id expires once it is there. */
  #toExpiresAtMs(imageId: ImageId): number | undefined {
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current" || this.ttlSeconds === undefined) return undefined;
    return parsed.createdAtMs + this.ttlSeconds * 1000;
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

function toDateText(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString();
}
