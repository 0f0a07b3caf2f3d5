import type { ImageFormat } from "../core/image-format.ts";
import type { JsonObject } from "../core/json.ts";
import type { StorageUsage } from "./storage-quota.ts";

/**
 * The document that a store keeps for a picture: the generation metadata as given (snake_case), and the facts of
 * the store, which win over keys of the same name. It is written once and never changes.
 */
export interface ImageRecord extends JsonObject {
  readonly image_id: string;
  /** ISO 8601, milliseconds, UTC. */
  readonly created_at: string;
  /** Bytes of the picture. */
  readonly size: number;
  readonly format: ImageFormat;
  /** SHA-256 of the picture, hexadecimal: the strong ETag. */
  readonly sha256: string;
  /** True while the picture is kept: no time to live ends it. Told with each read, not part of the document. */
  readonly kept?: true;
}

/** What a save gives. */
export interface SavedImage {
  readonly record: ImageRecord;
  /** The path or key. */
  readonly location: string;
}

/** A picture with its record. */
export interface StoredImage {
  readonly record: ImageRecord;
  readonly imageData: Buffer;
}

/** A picture that is open for reading, in any order; whoever opened it closes it. */
export interface OpenImage {
  readonly record: ImageRecord;
  /** Fills `into` with the bytes from `position` on. @throws {StorageError} also when the picture ends before */
  read(into: Uint8Array, position: number): Promise<void>;
  /** Safe to call twice. */
  close(): void;
}

/** An address that opens one picture to whoever has it. */
export interface DirectUrl {
  readonly url: string;
  readonly expiresAtMs: number;
}

export interface FindImagesQuery {
  /** Literal prefix of the id; characters outside an id's alphabet match nothing. */
  readonly prefix?: string;
  /** 1..1000, default 100. */
  readonly limit?: number;
  /** `nextCursor` of the page before: the listing goes on behind that id, whether it still exists or not. */
  readonly cursor?: string;
  /** Leaves out pictures created at or before this time, but not kept ones. */
  readonly createdAfterMs?: number;
  /**
   * Words that the prompt must hold, all of them, in any case and order; at most 200 characters. One page looks at no
   * more than `MAX_SEARCHED_RECORDS`, so it may hold less than `limit`, or nothing, and still have a cursor.
   */
  readonly text?: string;
  readonly signal?: AbortSignal;
}

export interface ImagePage {
  /** Newest first. */
  readonly records: readonly ImageRecord[];
  /** Present when there may be more. */
  readonly nextCursor?: string;
}

/** Held by a job; lets its room go when it is disposed of. */
export type Reservation = Disposable;

export interface OperationOptions {
  readonly signal?: AbortSignal;
}

export interface CleaningOptions extends OperationOptions {
  /** After so long no more deletions are begun, though some always are; the next run goes on. Default: until all is done. */
  readonly budgetMs?: number;
}

export interface AbstractStorageOptions {
  /** Base of the URLs, without a trailing slash; a function where the port is known only after listening. */
  readonly baseUrl: string | (() => string);
}

/** The most entries that one listing gives. */
export const MAX_LIST_LIMIT = 1000;
export const DEFAULT_LIST_LIMIT = 100;
/** The most records that one page of a search looks at. */
export const MAX_SEARCHED_RECORDS = 1000;

/**
 * Where pictures are kept. Every driver passes `testStorage()` of the `testing` entry point.
 *
 * A malformed id is an unknown id for every method but `storeImage`, which throws `invalid_image_id`.
 * What a save acknowledged survives a kill and a power cut; a half image is never visible.
 */
export abstract class AbstractStorage implements AsyncDisposable {
  /** For logs, metrics and the health answer: `file`, `s3`, `memory`. */
  abstract readonly backend: string;
  readonly #baseUrl: string | (() => string);

  constructor(options: AbstractStorageOptions) {
    this.#baseUrl = options.baseUrl;
  }

  /**
   * Stores a picture under a fresh id of `createImageId`. The bytes are not copied: they must not change until this
   * has settled.
   *
   * @throws {ValidationError} `invalid_image_id`; `image_invalid` when the bytes do not begin as PNG, JPEG or WebP;
   * `invalid_argument` for metadata over 1 MiB of JSON
   * @throws {StorageError} `image_exists`, `storage_full`, `storage_write_failed`, `storage_unavailable`, `storage_timeout`
   */
  abstract storeImage(
    imageData: Uint8Array,
    imageId: string,
    metadata: JsonObject,
    options?: OperationOptions,
  ): Promise<SavedImage>;

  /** The picture with its record, or `undefined`. @throws {StorageError} `storage_read_failed` and the like */
  abstract readImage(imageId: string, options?: OperationOptions): Promise<StoredImage | undefined>;

  /** The record alone, or `undefined`. Costs no read of the picture. */
  abstract readRecord(imageId: string, options?: OperationOptions): Promise<ImageRecord | undefined>;

  /**
   * Keeps a picture from expiry, cleanup and eviction, or no longer; false when there is no such picture.
   * Holds for every process of the store once it is answered. Deleting works on a kept picture as on any.
   */
  abstract keepImage(imageId: string, keep: boolean, options?: OperationOptions): Promise<boolean>;

  /** True when this call deleted the picture, false when there was none. */
  abstract deleteImage(imageId: string, options?: OperationOptions): Promise<boolean>;

  /**
   * One page of records, newest first. Its cost does not grow with what is stored.
   *
   * @throws {ValidationError} `invalid_argument` for a limit out of range or a cursor that no listing gave
   */
  abstract findImages(query?: FindImagesQuery): Promise<ImagePage>;

  /**
   * Deletes pictures older than `ttlSeconds` that are not kept and gives how many. What cannot be deleted is logged and skipped.
   * Several may run at once. A run that is aborted rejects, and one whose budget is over ends; the next one goes on.
   *
   * @throws {StorageError} `storage_list_failed` when nothing could be listed
   */
  abstract cleanupExpiredImages(ttlSeconds: number, options?: CleaningOptions): Promise<number>;

  /** Resolves when pictures can be stored now. @throws {StorageError} with the reason */
  abstract checkHealth(options?: OperationOptions): Promise<void>;

  /**
   * Waits for work in flight and frees what is held; safe to call twice. What is asked for after it is refused with
   * `storage_unavailable`.
   */
  abstract close(): Promise<void>;

  /**
   * What is stored, from memory; `undefined` where that is not known, or not yet: asking begins to count. A store that
   * has no limits may know nothing.
   */
  get usage(): StorageUsage | undefined {
    return undefined;
  }

  /** Counts what is stored; `undefined` where the store cannot. */
  async measureUsage(options?: OperationOptions): Promise<StorageUsage | undefined> {
    options?.signal?.throwIfAborted();
    return undefined;
  }

  /**
   * Holds room for a picture that is yet to be drawn, within the limits of the store.
   *
   * @throws {StorageError} `storage_full`
   */
  async reserveRoom(options?: OperationOptions): Promise<Reservation> {
    options?.signal?.throwIfAborted();
    return { [Symbol.dispose]: () => undefined };
  }

  /** As `storeImage`, and gives the path or key alone. */
  async saveImage(
    imageData: Uint8Array,
    imageId: string,
    metadata: JsonObject,
    options?: OperationOptions,
  ): Promise<string> {
    return (await this.storeImage(imageData, imageId, metadata, options)).location;
  }

  /** The picture open for reading in parts, or `undefined`. A driver that can read parts overrides this. */
  async openImage(imageId: string, options?: OperationOptions): Promise<OpenImage | undefined> {
    const image = await this.readImage(imageId, options);
    return image && toOpenImage(image);
  }

  /**
   * Where a client gets the stored picture of this record from the store itself, for at most so many seconds;
   * `undefined` where a store cannot do that.
   */
  async createDirectUrl(
    _record: ImageRecord,
    _maxSeconds: number,
    _options?: OperationOptions,
  ): Promise<DirectUrl | undefined> {
    return undefined;
  }

  /** The origin of those addresses, which a page that shows pictures must allow; `undefined` where there are none. */
  get directOrigin(): string | undefined {
    return undefined;
  }

  /** True when this process met the picture lately: looking whether it is absent is then not worth while. */
  wasMet(_imageId: string): boolean {
    return false;
  }

  /** True when the store knows without waiting that it has no such picture; false says nothing. */
  isAbsent(_imageId: string): boolean {
    return false;
  }

  /** The bytes exactly as they were saved, or `undefined`. */
  async getImage(imageId: string, options?: OperationOptions): Promise<Buffer | undefined> {
    return (await this.readImage(imageId, options))?.imageData;
  }

  /** The stable URL of a stored picture, or `undefined` when there is none. */
  async getImageUrl(imageId: string, options?: OperationOptions): Promise<string | undefined> {
    const record = await this.readRecord(imageId, options);
    return record && this.toImageUrl(record.image_id);
  }

  /** Records with their `url`, newest first, at most 1,000. */
  async listImages(prefix = "", options?: OperationOptions): Promise<(ImageRecord & { readonly url: string })[]> {
    const { records } = await this.findImages({ prefix, limit: MAX_LIST_LIMIT, ...options });
    return records.map((record) => ({ ...record, url: this.toImageUrl(record.image_id) }));
  }

  /** The URL that a picture of this id has; does not look whether it exists. */
  toImageUrl(imageId: string): string {
    const base = typeof this.#baseUrl === "string" ? this.#baseUrl : this.#baseUrl();
    return `${base}/images/${imageId}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function toOpenImage({ record, imageData }: StoredImage): OpenImage {
  return {
    record,
    read: async (into, position) => void imageData.copy(into, 0, position, position + into.length),
    close: () => undefined,
  };
}
