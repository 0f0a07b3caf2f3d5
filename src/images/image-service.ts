import { systemClock, type Clock } from "../core/clock.ts";
import { MCPImageError, StorageError, toMcpImageError } from "../core/errors.ts";
import { createImageId, type ImageId } from "../core/image-id.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import type { JsonObject } from "../core/json.ts";
import { systemRandom, type Random } from "../core/random.ts";
import type { GenerateImageRequest, GenerationProgress, ImageGenerator } from "../kserve/generated-image.ts";
import { getLogger, withLogFields } from "../logging/logger.ts";
import type { FairQueue } from "../queue/fair-queue.ts";
import type { AbstractStorage, FindImagesQuery, ImageRecord, StoredImage } from "../storage/abstract-storage.ts";
import { noMetrics, type Metrics } from "../telemetry/metrics.ts";
import { drawImage } from "./draw-image.ts";

export interface ImageServiceOptions {
  readonly storage: AbstractStorage;
  readonly generator: ImageGenerator;
  readonly queue: FairQueue;
  /** `undefined`: pictures never expire. */
  readonly ttlSeconds: number | undefined;
  /** Awaited before anything that tells a URL: makes sure that somebody answers there. */
  readonly ensureServing?: () => Promise<void>;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface GenerateOptions {
  /** Whose turn in the queue this takes: the client's address, session or name. */
  readonly clientId: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImageProgress) => void;
}

export type ImageProgress =
  | { readonly phase: "queued"; readonly ahead: number; readonly estimatedSeconds: number | undefined }
  | GenerationProgress
  | { readonly phase: "saving" };

/** What the world learns of a stored picture: its record, where it is and until when. */
export type ImageMetadata = ImageRecord & {
  readonly url: string;
  readonly mime_type: string;
  /** ISO 8601, or null when it never expires. */
  readonly expires_at: string | null;
};

/** The answer to a generation, as it leaves the process. */
export interface GenerateImageResponse {
  readonly url: string;
  readonly image_id: string;
  readonly metadata: JsonObject;
}

export interface MetadataPage {
  /** Newest first; none is expired. */
  readonly images: readonly ImageMetadata[];
  readonly nextCursor?: string;
}

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
    const imageId = createImageId(this.#clock.nowMs(), this.#random);
    const job = withLogFields({ image_id: imageId }, async () => this.#runJob(imageId, request, options));
    this.#jobs.add(job);
    try {
      return await job;
    } finally {
      this.#jobs.delete(job);
    }
  }

  /** The metadata of a picture, or `undefined` when it is unknown or its time is over. */
  async getMetadata(imageId: string, signal?: AbortSignal): Promise<ImageMetadata | undefined> {
    await this.#ensureServing();
    const record = await this.#storage.readRecord(imageId, { ...(signal && { signal }) });
    return record && !this.#isExpired(record) ? this.#toMetadata(record) : undefined;
  }

  /** The picture itself, or `undefined` when it is unknown or its time is over. */
  async getImage(imageId: string, signal?: AbortSignal): Promise<StoredImage | undefined> {
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
  }

  async #runJob(
    imageId: ImageId,
    request: GenerateImageRequest,
    options: GenerateOptions,
  ): Promise<GenerateImageResponse> {
    const { clientId, signal, onProgress } = options;
    let admitted = false;
    try {
      return await this.#queue.run(
        clientId,
        async (waitedMs) => {
          admitted = true;
          this.#metrics.queueLeft(waitedMs / 1000);
          return this.#generateAndSave(imageId, request, options, waitedMs);
        },
        {
          ...(signal && { signal }),
          onPosition: (position) => onProgress?.({ phase: "queued", ...position }),
        },
      );
    } catch (error) {
      const failure = toMcpImageError(error);
      if (admitted) this.#metrics.generationEnded(failure.code, 0);
      else this.#metrics.rejected(failure.code);
      const level = failure.code === "cancelled" || failure.retryable ? "warn" : "error";
      logger[level]("generation_failed", { error: failure });
      throw failure;
    }
  }

  async #generateAndSave(
    imageId: ImageId,
    request: GenerateImageRequest,
    { signal, onProgress }: GenerateOptions,
    waitedMs: number,
  ): Promise<GenerateImageResponse> {
    const startedAtMs = this.#clock.monotonicMs();
    const { imageData, metadata } = await drawImage(this.#generator, request, {
      random: this.#random,
      requestId: imageId,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    onProgress?.({ phase: "saving" });
    const location = await this.#storage.saveImage(imageData, imageId, {
      ...metadata,
      queue_wait_seconds: roundSeconds(waitedMs),
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

  #isExpired(record: ImageRecord): boolean {
    const expiresAtMs = this.expiresAtMs(record);
    return expiresAtMs !== undefined && expiresAtMs <= this.#clock.nowMs();
  }
}

function roundSeconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}
