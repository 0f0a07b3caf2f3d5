import { lstat, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "../core/errors.ts";
import type { Logger } from "../logging/logger.ts";
import { removeFile } from "./durable-file.ts";
import {
  readFiles,
  readRoot,
  readSlots,
  type ListedFiles,
  type ListedRecord,
  type TimeFolder,
} from "./file-folders.ts";
import { bringRecord, hasImage } from "./file-keeper.ts";
import { KEPT_FOLDER, toImagePlace, toOtherPlace } from "./file-layout.ts";
import type { LegacyFiles } from "./legacy-files.ts";
import { mapConcurrently } from "./map-concurrently.ts";

const DELETE_CONCURRENCY = 16;
/** A save takes seconds; a temporary file or a record without a picture that is older was left by a crash. */
const LEFTOVER_AGE_MS = 10 * 60 * 1000;
/** Young folders that one cleanup looks through for leftovers; the next goes on behind them. */
const SWEPT_FOLDERS = 8;

export interface CleanupOptions {
  readonly nowMs: number;
  /** Pictures made before this time go. */
  readonly cutoffMs: number;
  readonly signal: AbortSignal | undefined;
  /** True when the time for this run is used up. */
  readonly isOver: () => boolean;
  /** Runs once, before the first picture is deleted; may throw to stop everything. */
  readonly beforeDeleting: () => Promise<void>;
}

/**
 * Deletes expired pictures and what crashes left. Several processes may clean one folder: each counts the pictures
 * that it deleted itself. Files and folders that are not ours stay.
 */
export class FileCleaner {
  readonly #root: string;
  readonly #legacy: LegacyFiles;
  readonly #logger: Logger;
  /** The folders that hold no leftovers any more. */
  #swept = new Set<string>();

  constructor(root: string, legacy: LegacyFiles, logger: Logger) {
    this.#root = root;
    this.#legacy = legacy;
    this.#logger = logger;
  }

  /** Gives how many pictures were deleted. @throws a system error when the root cannot be listed */
  async run(options: CleanupOptions): Promise<number> {
    const { days, files, kept } = await readRoot(this.#root);
    const expiredLegacy = await this.#legacy.listExpired(files.images, options.cutoffMs);
    let deleted = await this.#deleteImages(this.#root, { ...files, images: expiredLegacy }, options);
    if (deleted > 0 && options.isOver()) return deleted;
    await this.#sweepLeftovers(this.#root, { ...files, records: [] }, options);
    for (const day of days) {
      if (day.startMs >= options.cutoffMs) break;
      deleted += await this.#cleanDay(day, options);
      if (deleted > 0 && options.isOver()) return deleted;
    }
    if (kept !== undefined)
      await this.#sweepLeftovers(join(this.#root, KEPT_FOLDER), { ...kept.files, records: [] }, options);
    await this.#sweepYoungFolders([...days, ...(kept?.days ?? [])], options);
    return deleted;
  }

  async #cleanDay(day: TimeFolder, options: CleanupOptions): Promise<number> {
    let deleted = 0;
    for (const slot of await this.#readSlots(day)) {
      if (slot.startMs >= options.cutoffMs) break;
      deleted += await this.#cleanSlot(slot, options);
      if (deleted > 0 && options.isOver()) return deleted;
    }
    if (day.endMs <= options.cutoffMs) await this.#removeFolder(day.path);
    return deleted;
  }

  async #cleanSlot(slot: TimeFolder, options: CleanupOptions): Promise<number> {
    const files = await this.#readFiles(slot);
    const images = files.images.filter(({ image }) => image.kind === "current" && image.createdAtMs < options.cutoffMs);
    const deleted = await this.#deleteImages(slot.path, { ...files, images }, options);
    if (slot.endMs <= options.cutoffMs) {
      await this.#sweepLeftovers(slot.path, files, options);
      await this.#removeFolder(slot.path);
    }
    return deleted;
  }

  async #deleteImages(folder: string, { images }: ListedFiles, options: CleanupOptions): Promise<number> {
    if (images.length === 0) return 0;
    await options.beforeDeleting();
    let begun = 0;
    const results = await mapConcurrently(images, DELETE_CONCURRENCY, async ({ name, image }) => {
      options.signal?.throwIfAborted();
      if (begun >= DELETE_CONCURRENCY && options.isOver()) return false;
      begun++;
      try {
        const isMine = await removeFile(join(folder, name));
        await removeFile(join(folder, `${image.id}.json`));
        return isMine;
      } catch (error) {
        this.#logger.warn("image_delete_failed", { image_id: image.id, error });
        return false;
      }
    });
    return results.filter(Boolean).length;
  }

  /**
   * Looks once through each folder that is old enough to get nothing new. A crash while a picture is kept or released may
   * leave something in one later: that is found after the next start.
   */
  async #sweepYoungFolders(days: readonly TimeFolder[], options: CleanupOptions): Promise<void> {
    const present = new Set<string>();
    let left = SWEPT_FOLDERS;
    for (const day of days) {
      if (isExpired(day, options)) continue;
      present.add(day.path);
      if (this.#swept.has(day.path)) continue;
      for (const slot of await this.#readSlots(day)) {
        present.add(slot.path);
        if (this.#swept.has(slot.path) || isExpired(slot, options) || !isSettled(slot, options)) continue;
        if (left === 0) return;
        left--;
        await this.#sweepLeftovers(slot.path, await this.#readFiles(slot), options);
        this.#swept.add(slot.path);
      }
      if (isSettled(day, options)) this.#swept.add(day.path);
    }
    this.#swept = new Set([...this.#swept].filter((path) => present.has(path)));
  }

  /** Removes old temporary files and old records without a picture; a record whose picture is in the other place joins it. */
  async #sweepLeftovers(folder: string, files: ListedFiles, options: CleanupOptions): Promise<void> {
    const complete = new Set<string>(files.images.map(({ image }) => image.id));
    const orphans = files.records.filter(({ image }) => !complete.has(image.id));
    const leftovers = [...files.temporaries.map((name) => ({ name })), ...orphans];
    for (const leftover of leftovers) {
      options.signal?.throwIfAborted();
      const path = join(folder, leftover.name);
      try {
        if ("image" in leftover && (await this.#bringToImage(leftover))) continue;
        const { mtimeMs } = await lstat(path);
        if (options.nowMs - mtimeMs > LEFTOVER_AGE_MS) await removeFile(path);
      } catch (error) {
        if (!isErrno(error, "ENOENT")) this.#logger.warn("leftover_delete_failed", { error });
      }
    }
  }

  /** False when the picture of a record is nowhere. */
  async #bringToImage({ image, isKept }: ListedRecord): Promise<boolean> {
    const place = toImagePlace(this.#root, image, isKept);
    const other = toOtherPlace(this.#root, place);
    if (!(await hasImage(other))) return hasImage(place); // it may have come since the listing
    await bringRecord(place, other);
    return true;
  }

  /** Removes a folder that is empty; one with foreign files stays. */
  async #removeFolder(path: string): Promise<void> {
    try {
      await rmdir(path);
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTEMPTY", "EEXIST")) this.#logger.warn("folder_delete_failed", { error });
    }
  }

  async #readSlots(day: TimeFolder): Promise<readonly TimeFolder[]> {
    return this.#orSkip(readSlots(day), []);
  }

  async #readFiles(slot: TimeFolder): Promise<ListedFiles> {
    return this.#orSkip(readFiles(slot), { images: [], records: [], temporaries: [] });
  }

  async #orSkip<Result>(reading: Promise<Result>, nothing: Result): Promise<Result> {
    try {
      return await reading;
    } catch (error) {
      this.#logger.warn("folder_read_failed", { error });
      return nothing;
    }
  }
}

function isExpired({ isKept, endMs }: TimeFolder, { cutoffMs }: CleanupOptions): boolean {
  return !isKept && endMs <= cutoffMs;
}

/** What a crash left there is old enough to go. */
function isSettled({ endMs }: TimeFolder, { nowMs }: CleanupOptions): boolean {
  return endMs + LEFTOVER_AGE_MS < nowMs;
}
