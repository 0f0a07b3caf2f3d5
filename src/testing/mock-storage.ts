import { Readable } from "node:stream";
import { systemClock, type Clock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import { parseImageId } from "../core/image-id.ts";
import type { JsonObject } from "../core/json.ts";
import { getLogger } from "../logging/logger.ts";
import {
  AbstractStorage,
  type AbstractStorageOptions,
  type CleaningOptions,
  type FindImagesQuery,
  type ImagePage,
  type ImageRecord,
  type OperationOptions,
  type Reservation,
  type SavedImage,
  type StoredImage,
} from "../storage/abstract-storage.ts";
import { fillPage } from "../storage/fill-page.ts";
import { parseQuery, toCutoffMs } from "../storage/find-query.ts";
import {
  StorageQuota,
  type Evicted,
  type StorageLimits,
  type StorageTally,
  type StorageUsage,
  type UsageCounter,
} from "../storage/storage-quota.ts";
import { prepareImage, toKeptRecord } from "../storage/image-record.ts";

export interface MockStorageOptions extends Partial<AbstractStorageOptions> {
  readonly clock?: Clock;
  readonly limits?: StorageLimits;
}

/** Keeps pictures in memory; it behaves as the real drivers do. */
export class MockStorage extends AbstractStorage {
  override readonly backend = "memory";
  /** The bytes by id. */
  readonly images = new Map<string, Buffer>();
  /** The records by id. */
  readonly metadata = new Map<string, ImageRecord>();
  /** The ids of what is kept. */
  readonly kept = new Set<string>();
  readonly #clock: Clock;
  readonly #quota: StorageQuota;
  #isClosed = false;

  constructor(options: MockStorageOptions = {}) {
    super({ baseUrl: options.baseUrl ?? "http://127.0.0.1:8000" });
    this.#clock = options.clock ?? systemClock;
    this.#quota = new StorageQuota({
      limits: options.limits ?? {},
      counter: toCounter(this),
      evictOldest: async (bytes) => this.#evictOldest(bytes),
      clock: this.#clock,
      logger: getLogger("storage"),
    });
  }

  override async storeImage(
    imageData: Uint8Array,
    imageId: string,
    metadata: JsonObject,
    options: OperationOptions = {},
  ): Promise<SavedImage> {
    this.#begin(options);
    const image = prepareImage(imageData, imageId, metadata);
    const imageBytes = Buffer.from(image.imageData);
    using _room = await this.#quota.admit(imageBytes.length, options.signal);
    if (this.images.has(image.id)) {
      throw new StorageError("image_exists", `Cannot save image "${image.id}": its id is taken`);
    }
    this.images.set(image.id, imageBytes);
    this.metadata.set(image.id, image.record);
    return { record: image.record, location: `memory:${image.id}` };
  }

  override async readImage(imageId: string, options: OperationOptions = {}): Promise<StoredImage | undefined> {
    const record = await this.readRecord(imageId, options);
    const imageData = this.images.get(imageId);
    return record && imageData && { record, imageData: Buffer.from(imageData) };
  }

  override async readRecord(imageId: string, options: OperationOptions = {}): Promise<ImageRecord | undefined> {
    this.#begin(options);
    return this.#tell(this.metadata.get(imageId));
  }

  override async keepImage(imageId: string, keep: boolean, options: OperationOptions = {}): Promise<boolean> {
    this.#begin(options);
    if (!this.images.has(imageId)) return false;
    if (keep) this.kept.add(imageId);
    else this.kept.delete(imageId);
    return true;
  }

  override async deleteImage(imageId: string, options: OperationOptions = {}): Promise<boolean> {
    this.#begin(options);
    return this.#delete(imageId);
  }

  override async findImages(query: FindImagesQuery = {}): Promise<ImagePage> {
    this.#begin(query);
    const { prefix, limit, cursor, createdAfterMs, words } = parseQuery(query);
    const found = [...this.metadata.values()]
      .filter(({ image_id: id }) => id.startsWith(prefix) && (cursor === undefined || id < cursor.id))
      .filter(({ image_id: id, created_at: createdAt }) => this.kept.has(id) || Date.parse(createdAt) > createdAfterMs)
      .sort((one, other) => (one.image_id < other.image_id ? 1 : -1));
    return fillPage({
      candidates: Readable.from(found.map(({ image_id: id }) => ({ id }))),
      limit,
      words,
      readRecord: async ({ id }) => this.#tell(this.metadata.get(id)),
      concurrency: 1,
    });
  }

  override async cleanupExpiredImages(ttlSeconds: number, options: CleaningOptions = {}): Promise<number> {
    this.#begin(options);
    const cutoffMs = toCutoffMs(this.#clock.nowMs(), ttlSeconds);
    const isExpired = (id: string): boolean => {
      const parsed = parseImageId(id);
      return parsed?.kind === "current" && parsed.createdAtMs < cutoffMs && !this.kept.has(id);
    };
    const endMs = this.#clock.monotonicMs() + (options.budgetMs ?? Infinity);
    let deleted = 0;
    for (const id of [...this.images.keys()].filter(isExpired)) {
      if (deleted > 0 && this.#clock.monotonicMs() >= endMs) break;
      if (this.#delete(id)) deleted++;
    }
    return deleted;
  }

  override get usage(): StorageUsage | undefined {
    return this.#quota.usage;
  }

  override async measureUsage({ signal }: OperationOptions = {}): Promise<StorageUsage> {
    return this.#quota.measure(signal);
  }

  override async reserveRoom({ signal }: OperationOptions = {}): Promise<Reservation> {
    return this.#quota.reserve(signal);
  }

  override async checkHealth(options: OperationOptions = {}): Promise<void> {
    this.#begin(options);
  }

  override async close(): Promise<void> {
    this.#isClosed = true;
  }

  #begin({ signal }: OperationOptions): void {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new StorageError("storage_unavailable", "Cannot use the storage: it is closed");
  }

  #evictOldest(wantedBytes: number): Evicted {
    let [images, bytes] = [0, 0];
    for (const id of [...this.images.keys()].sort()) {
      if (bytes >= wantedBytes) break;
      if (this.kept.has(id)) continue;
      bytes += this.images.get(id)?.length ?? 0;
      images++;
      this.#delete(id);
    }
    return { images, bytes };
  }

  #tell(record: ImageRecord | undefined): ImageRecord | undefined {
    return record !== undefined && this.kept.has(record.image_id) ? toKeptRecord(record) : record;
  }

  #delete(id: string): boolean {
    this.kept.delete(id);
    this.metadata.delete(id);
    return this.images.delete(id);
  }
}

/** Counts at each look: nothing is as cheap. */
function toCounter({ images, kept }: Pick<MockStorage, "images" | "kept">): UsageCounter {
  const sum = (ids: Iterable<string>): number =>
    [...ids].reduce((bytes, id) => bytes + (images.get(id)?.length ?? 0), 0);
  return {
    get tally(): StorageTally {
      return { images: images.size, bytes: sum(images.keys()), keptImages: kept.size, keptBytes: sum(kept) };
    },
    refresh: async () => undefined,
  };
}
