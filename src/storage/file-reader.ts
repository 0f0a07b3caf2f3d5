import { constants, lstat, open, type FileHandle } from "node:fs/promises";
import { LRUCache } from "lru-cache";
import { isErrno } from "../core/errors.ts";
import { sniffImageFormat, type ImageFormat } from "../core/image-format.ts";
import type { ImageId } from "../core/image-id.ts";
import type { Logger } from "../logging/logger.ts";
import type { ImageRecord, StoredImage } from "./abstract-storage.ts";
import { toImagePath, type ImagePlace } from "./file-layout.ts";
import { MAX_RECORD_BYTES, parseJsonObject, parseRecord, recoverRecord, toKeptRecord } from "./image-record.ts";

/** JSON characters of the records that are kept in memory. */
const RECORD_CACHE_SIZE = 16 * 1024 * 1024;

/** Never follows a planted link, never waits for a planted pipe. Windows has neither flag. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

interface FoundImage {
  readonly format: ImageFormat;
  readonly size: number;
  readonly modifiedAtMs: number;
}

/** Reads pictures and their records; records never change, so they are cached by id. */
export class FileReader {
  readonly #logger: Logger;
  readonly #records = new LRUCache<ImageId, { readonly record: ImageRecord; readonly cost: number }>({
    maxSize: RECORD_CACHE_SIZE,
    sizeCalculation: ({ cost }) => cost,
  });

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Keeps the record of a picture that was just saved. */
  remember(id: ImageId, record: ImageRecord, recordText: string): void {
    this.#records.set(id, { record, cost: recordText.length });
  }

  /** Forgets a picture that is gone. */
  forget(id: ImageId): void {
    this.#records.delete(id);
  }

  /** The record of a picture that lies whole on the disk now. */
  async readRecord(place: ImagePlace): Promise<ImageRecord | undefined> {
    const found = await this.#findImage(place);
    return found && (await this.#readRecordOf(place, found));
  }

  /** The record of a picture whose name was just listed; asks the disk only when the record is not cached. */
  async readListedRecord(place: ImagePlace): Promise<ImageRecord | undefined> {
    const cached = this.#records.get(place.id);
    return cached === undefined ? this.readRecord(place) : toTold(place, cached.record);
  }

  async readImage(place: ImagePlace): Promise<StoredImage | undefined> {
    for (const format of this.#formatsOf(place)) {
      const file = await readWhole(toImagePath(place, format));
      if (file === undefined) continue;
      if ((await checkFolders(place)) !== "real") return undefined;
      const { bytes: imageData, modifiedAtMs } = file;
      const record = await this.#readRecordOf(place, { format, size: imageData.length, modifiedAtMs }, imageData);
      return record && { record, imageData };
    }
    return undefined;
  }

  /** When a picture was made: by its id, else by its record, else by its file. */
  async readCreatedAtMs(place: ImagePlace): Promise<number | undefined> {
    if (place.createdAtMs !== undefined) return place.createdAtMs;
    const cached = this.#records.get(place.id);
    if (cached !== undefined) return Date.parse(cached.record.created_at);
    const found = await this.#findImage(place);
    return found && toCreatedAtMs(await readRecordText(place), found);
  }

  async #findImage(place: ImagePlace): Promise<FoundImage | undefined> {
    for (const format of this.#formatsOf(place)) {
      const path = toImagePath(place, format);
      try {
        const [stats, folders] = await Promise.all([lstat(path), checkFolders(place)]);
        if (stats.isFile() && folders === "real") return { format, size: stats.size, modifiedAtMs: stats.mtimeMs };
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error;
      }
    }
    return undefined;
  }

  /** `undefined` for a picture that is not as long as its record says: a half image is never shown. */
  async #readRecordOf(place: ImagePlace, found: FoundImage, imageData?: Buffer): Promise<ImageRecord | undefined> {
    const record = await this.#loadRecord(place, found, imageData);
    if (record === undefined) return undefined;
    if (record.size === found.size && record.format === found.format) return toTold(place, record);
    this.#records.delete(place.id);
    this.#logger.error("image_damaged", { image_id: place.id, size: found.size, expected_size: record.size });
    return undefined;
  }

  async #loadRecord(place: ImagePlace, found: FoundImage, imageData?: Buffer): Promise<ImageRecord | undefined> {
    const cached = this.#records.get(place.id);
    if (cached !== undefined) return cached.record;
    const text = await readRecordText(place);
    const record = parseRecord(text, place.id) ?? (await this.#recover(place, found, text, imageData));
    if (record !== undefined) this.#records.set(place.id, { record, cost: text.length + 1 });
    return record;
  }

  /** The name of the picture is the commit point: it is served even when its record is lost. */
  async #recover(place: ImagePlace, found: FoundImage, text: string, read?: Buffer): Promise<ImageRecord | undefined> {
    const imageData = read ?? (await readWhole(toImagePath(place, found.format)))?.bytes;
    if (imageData === undefined || sniffImageFormat(imageData) !== found.format) return undefined;
    if (place.createdAtMs !== undefined) this.#logger.warn("image_record_recovered", { image_id: place.id });
    return recoverRecord(place.id, place.createdAtMs ?? toCreatedAtMs(text, found), imageData, text);
  }

  #formatsOf(place: ImagePlace): readonly ImageFormat[] {
    const cached = this.#records.get(place.id);
    return cached === undefined ? place.formats : [cached.record.format];
  }
}

function toTold(place: ImagePlace, record: ImageRecord): ImageRecord {
  return place.isKept ? toKeptRecord(record) : record;
}

/** Whether the folders on the way to a picture are real ones, or a link that somebody planted is among them. */
export async function checkFolders(place: ImagePlace): Promise<"real" | "linked" | "missing"> {
  try {
    const stats = await Promise.all(place.folders.map(async (folder) => lstat(folder)));
    return stats.every((entry) => entry.isDirectory()) ? "real" : "linked";
  } catch (error) {
    if (isErrno(error, "ENOENT")) return "missing";
    throw error;
  }
}

/** One buffer of the right size, where `readFile()` would read in pieces and join them. Shorter when the file is. */
async function readBytes(handle: FileHandle, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  let length = 0;
  while (length < sizeBytes) {
    const { bytesRead } = await handle.read(bytes, length, sizeBytes - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

interface WholeFile {
  readonly bytes: Buffer;
  readonly modifiedAtMs: number;
}

/** A regular file of our own folder, `undefined` for anything else or nothing. */
async function readWhole(path: string, maxBytes = Number.POSITIVE_INFINITY): Promise<WholeFile | undefined> {
  let handle;
  try {
    handle = await open(path, READ_FLAGS);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size > maxBytes) return undefined;
    return { bytes: await readBytes(handle, stats.size), modifiedAtMs: stats.mtimeMs };
  } finally {
    await handle.close();
  }
}

/** Empty when there is none. */
async function readRecordText(place: ImagePlace): Promise<string> {
  return (await readWhole(place.recordPath, MAX_RECORD_BYTES))?.bytes.toString() ?? "";
}

function toCreatedAtMs(recordText: string, found: FoundImage): number {
  const createdAt = parseJsonObject(recordText)?.["created_at"];
  const timeMs = typeof createdAt === "string" ? Date.parse(createdAt) : Number.NaN;
  return Number.isNaN(timeMs) ? Math.trunc(found.modifiedAtMs) : timeMs;
}
