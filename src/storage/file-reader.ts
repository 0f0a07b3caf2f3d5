import { LRUCache } from "lru-cache";
import { StorageError } from "../core/errors.ts";
import { sniffImageFormat, type ImageFormat } from "../core/image-format.ts";
import type { ImageId } from "../core/image-id.ts";
import type { Logger } from "../logging/logger.ts";
import type { ImageRecord, OpenImage, StoredImage } from "./abstract-storage.ts";
import { toImagePath, toOtherPlace, type ImagePlace } from "./file-layout.ts";
import { FolderChecks, type FolderState } from "./folder-checks.ts";
import { MAX_RECORD_BYTES, parseJsonObject, parseRecord, recoverRecord, toKeptRecord } from "./image-record.ts";
import { lookAt, lookAtOnce, openFile, type LookUp, type OpenFile } from "./open-file.ts";

/** JSON characters of the records that are kept in memory. */
const RECORD_CACHE_SIZE = 16 * 1024 * 1024;
/** Into the two places of a record, in turn; it is always in one of them. */
const RECORD_LOOKS = 6;

interface FoundImage {
  readonly format: ImageFormat;
  readonly size: number;
  readonly modifiedAtMs: number;
}

/** A picture whose record is known, open for reading. */
interface OpenPicture {
  readonly record: ImageRecord;
  readonly file: OpenFile;
}

/** Reads pictures and their records; records never change, so they are cached by id. */
export class FileReader {
  /** Set by the storage once it knows its folder. */
  lookUp: LookUp = "by_thread";
  readonly #root: string;
  readonly #logger: Logger;
  readonly #folders = new FolderChecks();
  readonly #records = new LRUCache<string, { readonly record: ImageRecord; readonly cost: number }>({
    maxSize: RECORD_CACHE_SIZE,
    sizeCalculation: ({ cost }) => cost,
  });

  constructor(root: string, logger: Logger) {
    this.#root = root;
    this.#logger = logger;
  }

  /** Keeps the record of a picture that was just saved. */
  remember(id: ImageId, record: ImageRecord, recordText: string): void {
    this.#records.set(id, { record, cost: recordText.length });
  }

  /** True while the record of the picture is in memory; the picture may be gone. */
  remembers(id: string): boolean {
    return this.#records.has(id);
  }

  /** Forgets a picture that is gone. */
  forget(id: ImageId): void {
    this.#records.delete(id);
  }

  async checkFolders(place: ImagePlace): Promise<FolderState> {
    return this.#folders.check(place, this.lookUp);
  }

  /**
   * True when a look at the disk of this machine finds nothing of the picture; false says nothing. The second place is
   * looked at last: a picture appears there before it is gone from the first.
   */
  isAbsent(place: ImagePlace, kept: ImagePlace): boolean {
    if (this.lookUp !== "at_once") return false;
    try {
      if (this.#folders.isThere(place))
        return this.#hasNoFile(place) && (!this.#folders.isThere(kept) || this.#hasNoFile(kept));
      const isRootThere = lookAtOnce(this.#root) !== undefined;
      return isRootThere && (!this.#folders.isThere(kept) || this.#hasNoFile(kept));
    } catch {
      return false;
    }
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
    const picture = await this.#openPicture(place);
    if (picture === undefined) return undefined;
    const { record, file } = picture;
    try {
      const imageData = Buffer.allocUnsafeSlow(record.size);
      const length = await file.read(imageData, 0);
      if (length === record.size) return { record, imageData };
      this.#reportDamage(place, length, record);
      return undefined;
    } finally {
      file.close();
    }
  }

  async openImage(place: ImagePlace): Promise<OpenImage | undefined> {
    const picture = await this.#openPicture(place);
    if (picture === undefined) return undefined;
    const { record, file } = picture;
    return {
      record,
      read: async (into, position) => {
        const length = await file.read(into, position);
        if (length === into.length) return;
        throw new StorageError("storage_read_failed", `Cannot read image "${place.id}": it ends too early`);
      },
      close: () => file.close(),
    };
  }

  /** When a picture was made: by its id, else by its record, else by its file. */
  async readCreatedAtMs(place: ImagePlace): Promise<number | undefined> {
    if (place.createdAtMs !== undefined) return place.createdAtMs;
    const cached = this.#records.get(place.id);
    if (cached !== undefined) return Date.parse(cached.record.created_at);
    const found = await this.#findImage(place);
    return found && toCreatedAtMs(await this.#readRecordText(place), found);
  }

  #hasNoFile(place: ImagePlace): boolean {
    return place.formats.every((format) => lookAtOnce(toImagePath(place, format)) === undefined);
  }

  async #findImage(place: ImagePlace): Promise<FoundImage | undefined> {
    for (const format of this.#formatsOf(place)) {
      const stats = await lookAt(toImagePath(place, format), this.lookUp);
      if (stats?.isFile() !== true || (await this.#folders.check(place, this.lookUp)) !== "real") continue;
      return { format, size: stats.size, modifiedAtMs: stats.mtimeMs };
    }
    return undefined;
  }

  async #openPicture(place: ImagePlace): Promise<OpenPicture | undefined> {
    for (const format of this.#formatsOf(place)) {
      const file = await openFile(toImagePath(place, format), this.lookUp);
      if (file === undefined) continue;
      let record: ImageRecord | undefined;
      try {
        if ((await this.#folders.check(place, this.lookUp)) !== "real") return undefined;
        const { size, modifiedAtMs } = file;
        record = await this.#readRecordOf(place, { format, size, modifiedAtMs }, file);
      } finally {
        if (record === undefined) file.close();
      }
      return record && { record, file };
    }
    return undefined;
  }

  /** `undefined` for a picture that is not as long as its record says: a half image is never shown. */
  async #readRecordOf(place: ImagePlace, found: FoundImage, file?: OpenFile): Promise<ImageRecord | undefined> {
    const record = this.#records.get(place.id)?.record ?? (await this.#loadRecord(place, found, file));
    if (record === undefined) return undefined;
    if (record.size === found.size && record.format === found.format) return toTold(place, record);
    this.#reportDamage(place, found.size, record);
    return undefined;
  }

  #reportDamage(place: ImagePlace, size: number, record: ImageRecord): void {
    this.#records.delete(place.id);
    this.#logger.error("image_damaged", { image_id: place.id, size, expected_size: record.size });
  }

  async #loadRecord(place: ImagePlace, found: FoundImage, file?: OpenFile): Promise<ImageRecord | undefined> {
    const text = await this.#readRecordText(place);
    const record = parseRecord(text, place.id) ?? (await this.#recover(place, found, text, file));
    if (record !== undefined) this.#records.set(place.id, { record, cost: text.length + 1 });
    return record;
  }

  /** The name of the picture is the commit point: it is served even when its record is lost. */
  async #recover(
    place: ImagePlace,
    found: FoundImage,
    text: string,
    file?: OpenFile,
  ): Promise<ImageRecord | undefined> {
    const imageData =
      file === undefined ? await this.#readWhole(toImagePath(place, found.format)) : await readBytes(file);
    if (imageData === undefined || sniffImageFormat(imageData) !== found.format) return undefined;
    if (place.createdAtMs !== undefined) this.#logger.warn("image_record_recovered", { image_id: place.id });
    return recoverRecord(place.id, place.createdAtMs ?? toCreatedAtMs(text, found), imageData, text);
  }

  /** Empty when there is none. While its picture is kept or released, a record may lie in the other place. */
  async #readRecordText(place: ImagePlace): Promise<string> {
    let bytes = await this.#readWhole(place.recordPath, MAX_RECORD_BYTES);
    if (bytes !== undefined) return bytes.toString();
    const other = toOtherPlace(this.#root, place);
    for (let look = 1; bytes === undefined && look < RECORD_LOOKS; look++) {
      const looked = look % 2 === 1 ? other : place;
      if ((await this.#folders.check(looked, this.lookUp)) !== "real") continue;
      bytes = await this.#readWhole(looked.recordPath, MAX_RECORD_BYTES);
    }
    return bytes?.toString() ?? "";
  }

  async #readWhole(path: string, maxBytes = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    const file = await openFile(path, this.lookUp);
    if (file === undefined) return undefined;
    try {
      return file.size > maxBytes ? undefined : await readBytes(file);
    } finally {
      file.close();
    }
  }

  #formatsOf(place: ImagePlace): readonly ImageFormat[] {
    const cached = this.#records.get(place.id);
    return cached === undefined ? place.formats : [cached.record.format];
  }
}

function toTold(place: ImagePlace, record: ImageRecord): ImageRecord {
  return place.isKept ? toKeptRecord(record) : record;
}

/** Shorter than the file was when it was opened, when it was cut since. */
async function readBytes(file: OpenFile): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(file.size);
  return bytes.subarray(0, await file.read(bytes, 0));
}

function toCreatedAtMs(recordText: string, found: FoundImage): number {
  const createdAt = parseJsonObject(recordText)?.["created_at"];
  const timeMs = typeof createdAt === "string" ? Date.parse(createdAt) : Number.NaN;
  return Number.isNaN(timeMs) ? Math.trunc(found.modifiedAtMs) : timeMs;
}
