import { LRUCache } from "lru-cache";
import type { ImageId, ParsedImageId } from "../core/image-id.ts";
import type { Logger } from "../logging/logger.ts";
import type { ImageRecord } from "./abstract-storage.ts";
import { KEPT_FOLDER } from "./file-layout.ts";
import { parseRecord, recoverRecord, toKeptRecord } from "./image-record.ts";
import type { BucketCall, BucketObject, S3Bucket } from "./s3-bucket.ts";
import { S3Keys } from "./s3-keys.ts";
import { SPILL_NAME, TOKEN_NAME, unpackRecord } from "./s3-metadata.ts";

/** A picture, and in which of the two spaces of keys it is looked for. */
export type S3ImageId = Extract<ParsedImageId, { kind: "current" }> & { readonly isKept: boolean };

/** The keys of what expires, and of what is kept. The last two sort before every key of a picture, so that no listing behind a time meets them. */
export interface KeySpaces {
  readonly current: S3Keys;
  readonly kept: S3Keys;
  /** Of the locks that processes have while they move or delete a picture. */
  readonly locks: S3Keys;
}

export function toKeySpaces(prefix: string): KeySpaces {
  return {
    current: new S3Keys(prefix),
    kept: new S3Keys(`${prefix}${KEPT_FOLDER}/`),
    locks: new S3Keys(`${prefix}${LOCK_FOLDER}/`),
  };
}

const LOCK_FOLDER = "locks";
/** JSON characters of the records that are kept in memory. */
const RECORD_CACHE_SIZE = 16 * 1024 * 1024;
const TOKEN_PATTERN = /^[0-9a-f]{16}$/;

/** The records of the pictures in a bucket; they never change, so they are cached by id. */
export class S3Records {
  readonly #bucket: S3Bucket;
  readonly #spaces: KeySpaces;
  readonly #logger: Logger;
  readonly #cache = new LRUCache<ImageId, ImageRecord>({
    maxSize: RECORD_CACHE_SIZE,
    sizeCalculation: (record) => JSON.stringify(record).length,
  });

  constructor(bucket: S3Bucket, spaces: KeySpaces, logger: Logger) {
    this.#bucket = bucket;
    this.#spaces = spaces;
    this.#logger = logger;
  }

  remember(id: ImageId, record: ImageRecord): void {
    this.#cache.set(id, record);
  }

  forget(id: ImageId): void {
    this.#cache.delete(id);
  }

  /** Of a picture whose key was just listed; asks the bucket only when the record is not cached. */
  async readListed(image: S3ImageId, call: BucketCall): Promise<ImageRecord | undefined> {
    const cached = this.#cache.get(image.id);
    return cached === undefined ? this.read(image, call) : toTold(image, cached);
  }

  /** Of a picture that is in the bucket now. */
  async read(image: S3ImageId, call: BucketCall): Promise<ImageRecord | undefined> {
    const object = await this.#bucket.head(this.keysOf(image).toImageKey(image.id), call);
    return object && (await this.readOf(image, object, undefined, call));
  }

  /** Of this object; from its bytes when the record is lost, as tools that copy objects lose it. */
  async readOf(
    image: S3ImageId,
    object: BucketObject,
    bytes: Buffer | undefined,
    call: BucketCall,
  ): Promise<ImageRecord | undefined> {
    const cached = this.#cache.get(image.id);
    const record =
      cached ??
      unpackRecord(object.metadata, image.id) ??
      (await this.#readSpilled(image, object, call)) ??
      (await this.#recover(image, bytes, call));
    if (record === undefined) return undefined;
    if (record.size === object.size) {
      if (cached === undefined) this.#cache.set(image.id, record);
      return toTold(image, record);
    }
    this.#cache.delete(image.id);
    this.#logger.error("image_damaged", { image_id: image.id, size: object.size, expected_size: record.size });
    return undefined;
  }

  /** The key of a record that is an object of its own, or `undefined`. */
  toSpilledKey(image: S3ImageId, object: BucketObject): string | undefined {
    const token = object.metadata[TOKEN_NAME];
    const isSpilled = object.metadata[SPILL_NAME] !== undefined && token !== undefined && TOKEN_PATTERN.test(token);
    return isSpilled ? this.keysOf(image).toRecordKey(image.id, token) : undefined;
  }

  /** The keys among which the picture is looked for. */
  keysOf({ isKept }: Pick<S3ImageId, "isKept">): S3Keys {
    return isKept ? this.#spaces.kept : this.#spaces.current;
  }

  async #readSpilled(image: S3ImageId, object: BucketObject, call: BucketCall): Promise<ImageRecord | undefined> {
    const key = this.toSpilledKey(image, object);
    const spilled = key === undefined ? undefined : await this.#bucket.get(key, call);
    return spilled && parseRecord(spilled.bytes.toString(), image.id);
  }

  async #recover(image: S3ImageId, read: Buffer | undefined, call: BucketCall): Promise<ImageRecord | undefined> {
    const bytes = read ?? (await this.#bucket.get(this.keysOf(image).toImageKey(image.id), call))?.bytes;
    if (bytes === undefined) return undefined;
    this.#logger.warn("image_record_recovered", { image_id: image.id });
    return recoverRecord(image.id, image.createdAtMs, bytes, "");
  }
}

function toTold({ isKept }: S3ImageId, record: ImageRecord): ImageRecord {
  return isKept ? toKeptRecord(record) : record;
}
