import { stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { systemClock, type Clock } from "../core/clock.ts";
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
  type OpenImage,
  type OperationOptions,
  type Reservation,
  type SavedImage,
  type StoredImage,
} from "./abstract-storage.ts";
import { assertClocksAgree } from "./clock-guard.ts";
import { syncFolder } from "./durable-file.ts";
import { FileCleaner } from "./file-cleanup.ts";
import type { FailedOperation } from "./file-errors.ts";
import { toImagePlace, type ImagePlace } from "./file-layout.ts";
import { listFiles } from "./file-listing.ts";
import { makeFolder } from "./make-folder.ts";
import { probeFolder } from "./file-probe.ts";
import { FileOperations } from "./file-operations.ts";
import { FileReader } from "./file-reader.ts";
import { evictOldestFiles } from "./file-eviction.ts";
import { deleteImageFiles, moveImageFiles, removeEmptyFolders } from "./file-keeper.ts";
import { FileUsage } from "./file-usage.ts";
import { FileWriter } from "./file-writer.ts";
import { parseQuery, toCutoffMs } from "./find-query.ts";
import { prepareImage } from "./image-record.ts";
import { LegacyFiles } from "./legacy-files.ts";
import { chooseLookUp } from "./open-file.ts";
import { StorageQuota, type StorageLimits, type StorageUsage } from "./storage-quota.ts";
import { Turns } from "./turns.ts";

export interface FileStorageOptions extends AbstractStorageOptions {
  /** The folder; made on first use, but never again: when it vanishes later, so did its volume. */
  readonly basePath: string;
  /** Tells what is expired. With the machine's own clock (the default), cleanup first compares it with the volume's. */
  readonly clock?: Clock;
  readonly limits?: StorageLimits;
}

/** Keeps each picture as a file beside its record, in folders of ten minutes. Many processes may share one folder. */
export class FileStorage extends AbstractStorage {
  override readonly backend = "file";
  readonly #root: string;
  readonly #clock: Clock;
  readonly #logger = getLogger("storage");
  readonly #reader: FileReader;
  readonly #writer = new FileWriter();
  readonly #legacy: LegacyFiles;
  readonly #cleaner: FileCleaner;
  readonly #counter: FileUsage;
  readonly #quota: StorageQuota;
  readonly #operations = new FileOperations();
  /** A move that meets another one, or a deletion, could lose the record or bring the picture back. */
  readonly #moves = new Turns();
  #rootMade: Promise<void> | undefined;

  constructor(options: FileStorageOptions) {
    super(options);
    this.#root = resolve(options.basePath);
    this.#clock = options.clock ?? systemClock;
    this.#reader = new FileReader(this.#root, this.#logger);
    this.#legacy = new LegacyFiles(this.#root, this.#reader);
    this.#cleaner = new FileCleaner(this.#root, this.#legacy, this.#logger);
    this.#counter = new FileUsage(this.#root);
    this.#quota = new StorageQuota({
      limits: options.limits ?? {},
      counter: this.#counter,
      evictOldest: async (bytes, signal) => evictOldestFiles(this.#root, bytes, signal),
      readFreeBytes: async () => readFreeBytes(this.#root),
      clock: this.#clock,
      logger: this.#logger,
    });
  }

  override async storeImage(
    imageData: Uint8Array,
    imageId: string,
    metadata: JsonObject,
    { signal }: OperationOptions = {},
  ): Promise<SavedImage> {
    const image = prepareImage(imageData, imageId, metadata);
    const place = toImagePlace(this.#root, { kind: "current", id: image.id, createdAtMs: image.createdAtMs });
    return this.#run("storage_write_failed", `Cannot save image "${image.id}"`, signal, async () => {
      const bytes = image.imageData.length + Buffer.byteLength(image.recordText);
      using _room = await this.#quota.admit(bytes, signal);
      const location = await this.#writer.write(place, image, signal);
      this.#counter.add(place, bytes);
      this.#reader.remember(image.id, image.record, image.recordText);
      return { record: image.record, location };
    });
  }

  override async readImage(imageId: string, { signal }: OperationOptions = {}): Promise<StoredImage | undefined> {
    return this.#runOnImage("storage_read_failed", "Cannot read image", imageId, signal, async (...places) =>
      this.#readFrom(places, async (place) => this.#reader.readImage(place)),
    );
  }

  override async readRecord(imageId: string, { signal }: OperationOptions = {}): Promise<ImageRecord | undefined> {
    return this.#runOnImage("storage_read_failed", "Cannot read record", imageId, signal, async (...places) =>
      this.#readFrom(places, async (place) => this.#reader.readRecord(place)),
    );
  }

  override async keepImage(imageId: string, keep: boolean, { signal }: OperationOptions = {}): Promise<boolean> {
    const action = keep ? "Cannot keep image" : "Cannot release image";
    const moved = await this.#runOnImage("storage_write_failed", action, imageId, signal, async (place, kept) => {
      const isMoved = await this.#moves.take(place.id, async () =>
        keep ? moveImageFiles(place, kept) : moveImageFiles(kept, place),
      );
      if (isMoved && !keep) await removeEmptyFolders(kept);
      return isMoved || undefined;
    });
    return moved ?? false;
  }

  override async openImage(imageId: string, { signal }: OperationOptions = {}): Promise<OpenImage | undefined> {
    const image = await this.#runOnImage(
      "storage_read_failed",
      "Cannot read image",
      imageId,
      signal,
      async (...places) => this.#readFrom(places, async (place) => this.#reader.openImage(place)),
      (opened) => opened.close(),
    );
    return (
      image && {
        ...image,
        read: async (into, position) =>
          this.#run("storage_read_failed", `Cannot read image "${image.record.image_id}"`, signal, async () =>
            image.read(into, position),
          ),
      }
    );
  }

  override wasMet(imageId: string): boolean {
    return this.#reader.remembers(imageId);
  }

  override isAbsent(imageId: string): boolean {
    const parsed = parseImageId(imageId);
    if (parsed === undefined) return false;
    return this.#reader.isAbsent(toImagePlace(this.#root, parsed), toImagePlace(this.#root, parsed, true));
  }

  override async deleteImage(imageId: string, { signal }: OperationOptions = {}): Promise<boolean> {
    const deleted = await this.#runOnImage(
      "storage_delete_failed",
      "Cannot delete image",
      imageId,
      signal,
      async (place, kept) => {
        return (await this.#moves.take(place.id, async () => deleteImageFiles(place, kept))) || undefined;
      },
    );
    return deleted ?? false;
  }

  override async findImages(query: FindImagesQuery = {}): Promise<ImagePage> {
    query.signal?.throwIfAborted();
    const parsed = parseQuery(query);
    if (!parsed.canMatch) return { records: [] };
    const parts = { root: this.#root, reader: this.#reader, legacy: this.#legacy };
    return this.#run("storage_list_failed", "Cannot list images", query.signal, async () =>
      listFiles(parts, parsed, query.signal),
    );
  }

  override async cleanupExpiredImages(
    ttlSeconds: number,
    { signal, budgetMs = Infinity }: CleaningOptions = {},
  ): Promise<number> {
    const nowMs = this.#clock.nowMs();
    const endMs = this.#clock.monotonicMs() + budgetMs;
    const cutoffMs = toCutoffMs(nowMs, ttlSeconds);
    let checked: Promise<void> | undefined;
    const beforeDeleting = async (): Promise<void> => (checked ??= this.#checkClock(ttlSeconds));
    return this.#run("storage_list_failed", "Cannot delete expired images", signal, async () =>
      this.#cleaner.run({ nowMs, cutoffMs, signal, beforeDeleting, isOver: () => this.#clock.monotonicMs() >= endMs }),
    );
  }

  override get usage(): StorageUsage | undefined {
    return this.#quota.usage;
  }

  override async measureUsage({ signal }: OperationOptions = {}): Promise<StorageUsage> {
    return this.#run("storage_list_failed", "Cannot measure the storage", signal, async () =>
      this.#quota.measure(signal),
    );
  }

  override async reserveRoom({ signal }: OperationOptions = {}): Promise<Reservation> {
    return this.#run("storage_write_failed", "Cannot reserve room", signal, async () => this.#quota.reserve(signal));
  }

  override async checkHealth({ signal }: OperationOptions = {}): Promise<void> {
    await this.#run("storage_write_failed", "Cannot use the storage", signal, async () => probeFolder(this.#root));
  }

  override async close(): Promise<void> {
    await this.#operations.close();
  }

  async #runOnImage<Result>(
    operation: FailedOperation,
    message: string,
    imageId: string,
    signal: AbortSignal | undefined,
    work: (place: ImagePlace, kept: ImagePlace) => Promise<Result | undefined>,
    /** Gets a result that nobody waits for any more. */
    discard: (result: Result) => void = () => undefined,
  ): Promise<Result | undefined> {
    signal?.throwIfAborted();
    const parsed = parseImageId(imageId);
    if (parsed === undefined) return undefined;
    return this.#run(operation, `${message} "${parsed.id}"`, signal, async () => {
      const result = await work(toImagePlace(this.#root, parsed), toImagePlace(this.#root, parsed, true));
      if (result === undefined) await stat(this.#root); // "not found" must not hide that the volume is gone
      else if (signal?.aborted) discard(result);
      signal?.throwIfAborted();
      return result;
    });
  }

  /** Kept pictures are looked for last: they appear there before they are gone here. */
  async #readFrom<Result>(
    [place, kept]: readonly [ImagePlace, ImagePlace],
    read: (place: ImagePlace) => Promise<Result | undefined>,
  ): Promise<Result | undefined> {
    let result = await read(place);
    if (result === undefined && (await this.#reader.checkFolders(kept)) !== "missing") {
      result = (await read(kept)) ?? (await read(place)); // once more: it may have been released between the two
    }
    if (result === undefined) this.#reader.forget(place.id);
    return result;
  }

  async #run<Result>(
    operation: FailedOperation,
    message: string,
    signal: AbortSignal | undefined,
    work: () => Promise<Result>,
  ): Promise<Result> {
    return this.#operations.run(operation, message, signal, async () => {
      await this.#makeRoot();
      return work();
    });
  }

  async #makeRoot(): Promise<void> {
    this.#rootMade ??= this.#makeRootOnce().catch((error: unknown) => {
      this.#rootMade = undefined;
      throw error;
    });
    await this.#rootMade;
  }

  async #makeRootOnce(): Promise<void> {
    const firstMade = await makeFolder(this.#root);
    if (firstMade !== undefined) await syncFolder(dirname(firstMade));
    this.#reader.lookUp = await chooseLookUp(this.#root);
  }

  async #checkClock(ttlSeconds: number): Promise<void> {
    if (this.#clock !== systemClock) return;
    const storageMs = await probeFolder(this.#root);
    assertClocksAgree(this.#clock.nowMs(), storageMs, ttlSeconds, this.#logger);
  }
}

async function readFreeBytes(root: string): Promise<number> {
  const { bavail, bsize } = await statfs(root);
  return bavail * bsize;
}
