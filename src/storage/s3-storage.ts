import { systemClock, type Clock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import { parseImageId } from "../core/image-id.ts";
import type { JsonObject } from "../core/json.ts";
import { systemRandom } from "../core/random.ts";
import type { Secret } from "../core/secret.ts";
import { getLogger } from "../logging/logger.ts";
import {
  AbstractStorage,
  type AbstractStorageOptions,
  type CleaningOptions,
  type DirectUrl,
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
import { fillPage } from "./fill-page.ts";
import { parseQuery, toCutoffMs } from "./find-query.ts";
import { prepareImage } from "./image-record.ts";
import { S3Bucket, type BucketCall } from "./s3-bucket.ts";
import { MAX_KEYS } from "./s3-key-batches.ts";
import { listKeys } from "./s3-listing.ts";
import type { S3Keys } from "./s3-keys.ts";
import { packRecord, SPILL_NAME, TOKEN_NAME } from "./s3-metadata.ts";
import { toCredentials } from "./s3-credentials.ts";
import { toExpiryRule, type ExpiryRule, type LifecycleChange } from "./s3-expiry-rule.ts";
import { applyExpiryRule } from "./s3-lifecycle.ts";
import { deleteObject, moveObject, type ImageObject } from "./s3-keeper.ts";
import { S3Leases } from "./s3-leases.ts";
import { evictOldestObjects } from "./s3-eviction.ts";
import { S3Usage } from "./s3-usage.ts";
import { StorageQuota, type StorageLimits, type StorageUsage } from "./storage-quota.ts";
import { Turns } from "./turns.ts";
import { S3Records, toKeySpaces, type KeySpaces, type S3ImageId } from "./s3-records.ts";

export interface S3StorageOptions extends AbstractStorageOptions {
  readonly bucket: string;
  /** Put before every key as it stands; default none. */
  readonly prefix?: string;
  /** Of a server other than AWS; its keys are addressed by path. */
  readonly endpointUrl?: string;
  /** Where clients reach the store; default `endpointUrl`. */
  readonly publicEndpointUrl?: string;
  /** Without keys, the default credential chain is asked (environment, profiles, IRSA, IMDS). */
  readonly accessKeyId?: string;
  readonly secretAccessKey?: Secret | string;
  /** Belongs to temporary keys. */
  readonly sessionToken?: Secret | string;
  /** Default us-east-1. */
  readonly regionName?: string;
  /** For one request with its retries; default 30. */
  readonly timeoutSeconds?: number;
  /** Tells what is expired. With the machine's own clock (the default), cleanup first compares it with the server's. */
  readonly clock?: Clock;
  readonly limits?: StorageLimits;
}

const READ_CONCURRENCY = 32;
const DEFAULT_TIMEOUT_SECONDS = 30;

/**
 * Keeps each picture as one object that carries its record in its headers. Deletions are idempotent on S3, so of
 * several callers that delete one picture more than one may be told that it did.
 */
export class S3Storage extends AbstractStorage {
  override readonly backend = "s3";
  readonly #spaces: KeySpaces;
  readonly #keys: S3Keys;
  readonly #bucket: S3Bucket;
  readonly #clock: Clock;
  readonly #logger = getLogger("storage");
  readonly #records: S3Records;
  readonly #counter: S3Usage;
  readonly #quota: StorageQuota;
  /** A move that meets another one, or a deletion, could lose the picture or bring it back: of this process, and of others. */
  readonly #turns = new Turns();
  readonly #leases: S3Leases;
  readonly #isLimited: boolean;
  /** How far this machine's clock was ahead of the server's at the last answer. */
  #skewMs = 0;
  #versioningChecked: Promise<void> | undefined;

  constructor(options: S3StorageOptions) {
    super(options);
    this.#clock = options.clock ?? systemClock;
    this.#spaces = toKeySpaces(options.prefix ?? "");
    this.#keys = this.#spaces.current;
    const timeoutMs = (options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1000;
    this.#bucket = new S3Bucket({
      bucket: options.bucket,
      endpointUrl: options.endpointUrl,
      publicEndpointUrl: options.publicEndpointUrl ?? options.endpointUrl,
      regionName: options.regionName ?? "us-east-1",
      credentials: toCredentials(options),
      timeoutMs,
      attemptTimeoutMs: timeoutMs / 2,
      logger: this.#logger,
      onStorageDate: (storageMs) => {
        this.#skewMs = systemClock.nowMs() - storageMs;
      },
    });
    this.#records = new S3Records(this.#bucket, this.#spaces, this.#logger);
    this.#leases = new S3Leases({ bucket: this.#bucket, keys: this.#spaces.locks, logger: this.#logger });
    this.#counter = new S3Usage(this.#bucket, this.#spaces, this.#clock);
    this.#isLimited = options.limits?.maxBytes !== undefined;
    this.#quota = new StorageQuota({
      limits: options.limits ?? {},
      counter: this.#counter,
      evictOldest: async (bytes, signal) => evictOldestObjects(this.#bucket, this.#keys, this.#counter, bytes, signal),
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
    signal?.throwIfAborted();
    const image = prepareImage(imageData, imageId, metadata);
    const call: BucketCall = { operation: "storage_write_failed", message: `Cannot save image "${image.id}"`, signal };
    using _room = await this.#quota.admit(image.imageData.length + Buffer.byteLength(image.recordText), signal);
    const token = createToken();
    const packed = packRecord(image.recordText);
    const key = this.#keys.toImageKey(image.id);
    const recordKey = this.#keys.toRecordKey(image.id, token);
    if (packed === undefined) {
      await this.#bucket.put(recordKey, Buffer.from(image.recordText), { contentType: "application/json" }, call);
    }
    const outcome = await this.#bucket.put(
      key,
      image.imageData,
      {
        contentType: IMAGE_FORMATS[image.record.format].mimeType,
        metadata: { ...(packed ?? { [SPILL_NAME]: "1" }), [TOKEN_NAME]: token },
        createOnly: true,
      },
      call,
    );
    // An attempt whose answer was lost may have stored the picture; the next one then finds the key taken, by us.
    const isOurs = outcome.kind === "stored" || (outcome.isRetried && (await this.#readToken(key, call)) === token);
    if (!isOurs) {
      if (packed === undefined) await this.#bucket.delete(recordKey, call);
      throw new StorageError("image_exists", `Cannot save image "${image.id}": its id is taken`);
    }
    this.#records.remember(image.id, image.record);
    const spilledBytes = packed === undefined ? Buffer.byteLength(image.recordText) : 0;
    this.#counter.add(image.createdAtMs, image.imageData.length + spilledBytes);
    return { record: image.record, location: key };
  }

  override async readImage(imageId: string, { signal }: OperationOptions = {}): Promise<StoredImage | undefined> {
    signal?.throwIfAborted();
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current") return undefined;
    const call: BucketCall = { operation: "storage_read_failed", message: `Cannot read image "${parsed.id}"`, signal };
    return this.#readFrom(parsed, async (image) => {
      const object = await this.#bucket.get(this.#records.keysOf(image).toImageKey(image.id), call);
      if (object === undefined) return undefined;
      const record = await this.#records.readOf(image, object, object.bytes, call);
      return record && { record, imageData: object.bytes };
    });
  }

  override async openImage(imageId: string, { signal }: OperationOptions = {}): Promise<OpenImage | undefined> {
    signal?.throwIfAborted();
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current") return undefined;
    const message = `Cannot read image "${parsed.id}"`;
    const call: BucketCall = { operation: "storage_read_failed", message, signal };
    const opened = await this.#readFrom(parsed, async (image) => {
      const object = await this.#bucket.open(this.#records.keysOf(image).toImageKey(image.id), call);
      if (object === undefined) return undefined;
      let record: ImageRecord | undefined;
      try {
        record = await this.#records.readOf(image, object, undefined, call);
      } finally {
        if (record === undefined) object.close();
      }
      return record && { record, object };
    });
    if (opened === undefined) return undefined;
    const { record, object } = opened;
    return {
      record,
      read: async (into, position) => {
        if ((await object.read(into, position)) === into.length) return;
        throw new StorageError("storage_read_failed", `${message}: it ends too early`);
      },
      close: () => object.close(),
    };
  }

  override get directOrigin(): string {
    return this.#bucket.publicOrigin;
  }

  override async createDirectUrl(
    { image_id: imageId, format, kept }: ImageRecord,
    maxSeconds: number,
    { signal }: OperationOptions = {},
  ): Promise<DirectUrl | undefined> {
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current") return undefined;
    const call: BucketCall = { operation: "storage_read_failed", message: `Cannot address "${parsed.id}"`, signal };
    const key = this.#records.keysOf({ isKept: kept === true }).toImageKey(parsed.id);
    const presigned = await this.#bucket.presign(key, call, {
      nowMs: systemClock.nowMs() - this.#skewMs, // as the store sees it
      maxSeconds,
      parameters: {
        "response-cache-control": `private, max-age=${Math.floor(maxSeconds)}, immutable`,
        "response-content-disposition": `inline; filename="${parsed.id}.${IMAGE_FORMATS[format].extension}"`,
      },
    });
    return presigned && { url: presigned.url, expiresAtMs: this.#clock.nowMs() + presigned.expiresSeconds * 1000 };
  }

  override async readRecord(imageId: string, { signal }: OperationOptions = {}): Promise<ImageRecord | undefined> {
    signal?.throwIfAborted();
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current") return undefined;
    const call: BucketCall = { operation: "storage_read_failed", message: `Cannot read record "${parsed.id}"`, signal };
    return this.#readFrom(parsed, async (image) => this.#records.read(image, call));
  }

  override async keepImage(imageId: string, keep: boolean, { signal }: OperationOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current") return false;
    const action = keep ? "Cannot keep image" : "Cannot release image";
    const call: BucketCall = { operation: "storage_write_failed", message: `${action} "${parsed.id}"`, signal };
    const image = { ...parsed, isKept: keep };
    return this.#turns.take(parsed.id, async () =>
      this.#leases.hold(parsed.id, call, async (held) => moveObject(this.#toObject(image, held))),
    );
  }

  override async deleteImage(imageId: string, { signal }: OperationOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    const parsed = parseImageId(imageId);
    if (parsed?.kind !== "current") return false;
    const call: BucketCall = {
      operation: "storage_delete_failed",
      message: `Cannot delete image "${parsed.id}"`,
      signal,
    };
    const [current, kept] = [
      { ...parsed, isKept: false },
      { ...parsed, isKept: true },
    ];
    const deleteBoth = async (held: BucketCall): Promise<boolean> => {
      const isDeleted = await deleteObject(this.#toObject(current, held));
      return (await deleteObject(this.#toObject(kept, held))) || isDeleted;
    };
    return this.#turns.take(parsed.id, async () => {
      this.#records.forget(parsed.id);
      return this.#leases.hold(parsed.id, call, deleteBoth, { goesOnWhenFull: true });
    });
  }

  override async findImages(query: FindImagesQuery = {}): Promise<ImagePage> {
    query.signal?.throwIfAborted();
    const parsed = parseQuery(query);
    const call: BucketCall = { operation: "storage_list_failed", message: "Cannot list images", signal: query.signal };
    return fillPage({
      candidates: listKeys(this.#bucket, this.#spaces, parsed, call),
      limit: parsed.limit,
      words: parsed.words,
      readRecord: async (image) => this.#records.readListed(image, call),
      concurrency: READ_CONCURRENCY,
    });
  }

  override async cleanupExpiredImages(
    ttlSeconds: number,
    { signal, budgetMs = Infinity }: CleaningOptions = {},
  ): Promise<number> {
    signal?.throwIfAborted();
    const endMs = this.#clock.monotonicMs() + budgetMs;
    const cutoffMs = toCutoffMs(this.#clock.nowMs(), ttlSeconds);
    if (cutoffMs <= 0) return 0;
    const call: BucketCall = { operation: "storage_list_failed", message: "Cannot delete expired images", signal };
    let deleted = 0;
    let startAfter = this.#keys.toKeyBefore(cutoffMs);
    for (;;) {
      const page = await this.#bucket.list(
        { prefix: this.#keys.prefix, startAfter, limit: MAX_KEYS, delimiter: "/" },
        call,
      );
      const expired = page.keys.filter((key) => (this.#keys.parse(key)?.createdAtMs ?? cutoffMs) < cutoffMs);
      if (expired.length > 0) deleted += await this.#deleteKeys(expired, ttlSeconds, call);
      startAfter = page.end ?? startAfter;
      if (deleted > 0 && this.#clock.monotonicMs() >= endMs) return deleted;
      if (!page.isTruncated) {
        this.#counter.dropOlderThan(cutoffMs);
        return deleted;
      }
    }
  }

  /** Counted only under a limit: it costs requests. */
  override get usage(): StorageUsage | undefined {
    return this.#isLimited ? this.#quota.usage : undefined;
  }

  override async measureUsage({ signal }: OperationOptions = {}): Promise<StorageUsage> {
    return this.#quota.measure(signal);
  }

  override async reserveRoom({ signal }: OperationOptions = {}): Promise<Reservation> {
    signal?.throwIfAborted();
    return this.#quota.reserve(signal);
  }

  /** The rule that `applyLifecycle` sets, in the form of the API. */
  describeLifecycle(ttlSeconds: number): ExpiryRule {
    return toExpiryRule(this.#keys, ttlSeconds);
  }

  /** Lets the store itself delete what is a day or more past its time to live; kept pictures stay. */
  async applyLifecycle(ttlSeconds: number, { signal }: OperationOptions = {}): Promise<LifecycleChange> {
    return applyExpiryRule(this.#bucket, toExpiryRule(this.#keys, ttlSeconds), signal);
  }

  override async checkHealth({ signal }: OperationOptions = {}): Promise<void> {
    const call: BucketCall = { operation: "storage_write_failed", message: "Cannot use the storage", signal };
    const token = createToken();
    const key = this.#keys.toProbeKey(this.#clock.nowMs(), token);
    await this.#bucket.put(key, Buffer.from(token), { contentType: "text/plain" }, call);
    const object = await this.#bucket.get(key, call);
    await this.#bucket.delete(key, call);
    if (object?.bytes.toString() !== token) {
      throw new StorageError("storage_read_failed", "Cannot read back what was just written to the bucket");
    }
    await (this.#versioningChecked ??= this.#checkVersioning(signal));
  }

  override async close(): Promise<void> {
    await this.#bucket.close();
  }

  /** Kept pictures are looked for last: they appear there before they are gone here. One may be released between the two. */
  async #readFrom<Result>(
    image: Omit<S3ImageId, "isKept">,
    read: (image: S3ImageId) => Promise<Result | undefined>,
  ): Promise<Result | undefined> {
    const current = { ...image, isKept: false };
    return (await read(current)) ?? (await read({ ...image, isKept: true })) ?? (await read(current));
  }

  /** Once: whoever may not ask, or asks a server that does not know, is not told. */
  async #checkVersioning(signal: AbortSignal | undefined): Promise<void> {
    const call: BucketCall = { operation: "storage_read_failed", message: "Cannot read the versioning", signal };
    const isVersioned = await this.#bucket.isVersioned(call).catch(() => false);
    if (isVersioned) this.#logger.warn("s3_bucket_is_versioned", { remedy: "deleted pictures stay as old versions" });
  }

  #toObject(image: S3ImageId, call: BucketCall): ImageObject {
    return { bucket: this.#bucket, records: this.#records, counter: this.#counter, image, call };
  }

  async #deleteKeys(keys: readonly string[], ttlSeconds: number, call: BucketCall): Promise<number> {
    if (this.#clock === systemClock) {
      const nowMs = this.#clock.nowMs();
      assertClocksAgree(nowMs, nowMs - this.#skewMs, ttlSeconds, this.#logger);
    }
    const failed = await this.#bucket.deleteAll(keys, call);
    for (const [key, reason] of failed) this.#logger.warn("image_delete_failed", { key, reason });
    return keys.filter((key) => !failed.has(key) && this.#keys.parse(key)?.kind === "image").length;
  }

  async #readToken(key: string, call: BucketCall): Promise<string | undefined> {
    return (await this.#bucket.head(key, call))?.metadata[TOKEN_NAME];
  }
}

function createToken(): string {
  return Buffer.from(systemRandom.bytes(8)).toString("hex");
}
