import { Readable } from "node:stream";
import type { LifecycleRule } from "@aws-sdk/client-s3";
import { StorageError } from "../core/errors.ts";
import type { Logger } from "../logging/logger.ts";
import type { FailedOperation } from "./file-errors.ts";
import { S3Deletions } from "./s3-deletions.ts";
import { KeyBatches } from "./s3-key-batches.ts";
import { presignS3Get, toObjectUrl } from "./s3-presign.ts";
import { S3Body } from "./s3-body.ts";
import { loadS3, type LoadedS3 } from "./s3-client.ts";
import type { S3ClientOptions } from "./s3-client-options.ts";
import type { S3Credentials } from "./s3-credentials.ts";
import { toS3Failure, toS3StorageError } from "./s3-errors.ts";

/** What one call to the bucket is for: the words of its error, and who may end it. */
export interface BucketCall {
  readonly operation: FailedOperation;
  /** `Cannot save image "img_…"`. */
  readonly message: string;
  readonly signal: AbortSignal | undefined;
}

export interface BucketObject {
  readonly etag: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly size: number;
}

/** An object that is being read; whoever opened it closes it. */
export interface OpenObject extends BucketObject {
  /** Fills `into` from `position` on and gives how many bytes there were: fewer only where the object ends. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Frees the connection. */
  close(): void;
}

export interface PresignRequest {
  readonly nowMs: number;
  readonly maxSeconds: number;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface PresignedUrl {
  readonly url: string;
  readonly expiresSeconds: number;
}

export interface PutOptions {
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Writes only when the key is free. */
  readonly createOnly?: boolean;
  /** Writes only over the object with this ETag. */
  readonly replaces?: string;
}

/** `exists`: the key is taken, or no longer as it was; by an earlier attempt of this very call when `isRetried`. */
export type PutOutcome = { readonly kind: "stored" } | { readonly kind: "exists"; readonly isRetried: boolean };

export interface ListOptions {
  readonly prefix: string;
  readonly startAfter?: string;
  /** 1..1000. */
  readonly limit: number;
  /** Keys that go on behind this after the prefix are not given one by one. */
  readonly delimiter?: string;
}

export interface KeyPage {
  /** Ascending. */
  readonly keys: readonly string[];
  /** Bytes of the objects, in the order of the keys. */
  readonly sizes: readonly number[];
  /** The beginnings, up to the delimiter, that several keys may share. */
  readonly commonPrefixes: readonly string[];
  /** Where the next page starts behind; `undefined` for an empty page. */
  readonly end: string | undefined;
  readonly isTruncated: boolean;
}

export interface BucketOptions extends S3ClientOptions {
  readonly bucket: string;
  /** Where clients reach the store; default: AWS. */
  readonly publicEndpointUrl?: string | undefined;
  /** For one call with its retries. */
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/** The most that Signature Version 4 allows. */
const MAX_PRESIGNED_SECONDS = 604_800;
/** The SDK repeats a request, but not the reading of a body that breaks off. */
const BODY_ATTEMPTS = 3;

/** Another conditional write of the key is under way; what was to be replaced is gone. */
const CONFLICTS: ReadonlySet<string> = new Set(["ConditionalRequestConflict", "NoSuchKey"]);

/** The requests that we make of S3, each with a deadline, a signal and errors of ours. */
export class S3Bucket {
  readonly #options: BucketOptions;
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #batches = new KeyBatches();
  readonly #deletions: S3Deletions;
  #isClosed = false;
  #loaded: Promise<LoadedS3> | undefined;
  /** False once the server said that it knows neither If-None-Match nor If-Match. */
  #isConditional = true;

  constructor(options: BucketOptions) {
    this.#options = options;
    this.#deletions = new S3Deletions(options.bucket);
  }

  async put(key: string, body: Uint8Array, options: PutOptions, call: BucketCall): Promise<PutOutcome> {
    const { createOnly = false, replaces } = options;
    const isConditional = this.#isConditional && (createOnly || replaces !== undefined);
    if (createOnly && !isConditional && (await this.head(key, call)) !== undefined) {
      return { kind: "exists", isRetried: false }; // two savers could both pass here, but an id is made once
    }
    const outcome = await this.#run(call, async ({ sdk, client }, abortSignal): Promise<PutOutcome | undefined> => {
      const command = new sdk.PutObjectCommand({
        Bucket: this.#options.bucket,
        Key: key,
        Body: body,
        ContentType: options.contentType,
        ...(options.metadata && { Metadata: { ...options.metadata } }),
        ...(isConditional && (replaces === undefined ? { IfNoneMatch: "*" } : { IfMatch: replaces })),
      });
      try {
        await client.send(command, { abortSignal });
        return { kind: "stored" };
      } catch (error) {
        if (!isConditional) throw error;
        const { name, status, attempts } = toS3Failure(error);
        if (status === 501) return undefined; // the server knows no conditions
        if (status === 412 || CONFLICTS.has(name)) return { kind: "exists", isRetried: attempts > 1 };
        throw error;
      }
    });
    if (outcome !== undefined) return outcome;
    this.#isConditional = false;
    this.#options.logger.warn("s3_conditional_writes_unsupported", { bucket: this.#options.bucket });
    return this.put(key, body, options, call);
  }

  /** The whole object, or `undefined`. */
  async get(key: string, call: BucketCall): Promise<(BucketObject & { readonly bytes: Buffer }) | undefined> {
    return this.#run(call, async ({ sdk, client }, abortSignal) => {
      for (let attempt = 1; ; attempt++) {
        const command = new sdk.GetObjectCommand({ Bucket: this.#options.bucket, Key: key });
        const response = await orUndefined(client.send(command, { abortSignal }), "NoSuchKey", "NotFound");
        if (response === undefined) return undefined;
        try {
          const view = await (response.Body?.transformToByteArray() ?? Promise.resolve(new Uint8Array()));
          const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
          return { bytes, metadata: response.Metadata ?? {}, size: bytes.length, etag: response.ETag };
        } catch (error) {
          if (attempt === BODY_ATTEMPTS || abortSignal.aborted) throw error;
        }
      }
    });
  }

  /** Copies an object with its metadata inside the store; false when there is none. */
  async copy(fromKey: string, toKey: string, call: BucketCall): Promise<boolean> {
    const { bucket } = this.#options;
    return this.#run(call, async ({ sdk, client }, abortSignal) => {
      const source = [bucket, ...fromKey.split("/")].map(encodeURIComponent).join("/");
      const command = new sdk.CopyObjectCommand({ Bucket: bucket, Key: toKey, CopySource: source });
      // Swift says of a missing source that the bucket is missing.
      const missing = ["NoSuchKey", "NotFound", "NoSuchBucket"];
      return (await orUndefined(client.send(command, { abortSignal }), ...missing)) !== undefined;
    });
  }

  /** The object with its body still to be read, or `undefined`. The deadline holds for each request and each read. */
  async open(key: string, call: BucketCall): Promise<OpenObject | undefined> {
    const found = await this.#run(call, async (loaded, signal) => this.#openBody(loaded, key, 0, signal));
    if (found === undefined) return undefined;
    const { metadata, size, etag, stream } = found;
    const body = new S3Body({
      first: stream,
      reopen: async (position, signal) => {
        const again = await this.#openBody(await this.#load(), key, position, signal);
        if (again === undefined) throw new Error("The object is gone");
        return again.stream;
      },
    });
    return {
      metadata,
      size,
      etag,
      read: async (into, position) => this.#run(call, async (_loaded, signal) => body.read(into, position, signal)),
      close: () => body.close(),
    };
  }

  /** Where those addresses lead. */
  get publicOrigin(): string {
    return this.#toPublicUrl("").origin;
  }

  /** An address for a client's own GET, which ends no later than our credentials; `undefined` when they have ended. */
  async presign(key: string, call: BucketCall, options: PresignRequest): Promise<PresignedUrl | undefined> {
    return this.#run(call, async ({ client }) => {
      const credentials = await client.config.credentials();
      const { nowMs, parameters, maxSeconds } = options;
      const leftSeconds = credentials.expiration ? (credentials.expiration.getTime() - nowMs) / 1000 : Infinity;
      const expiresSeconds = Math.floor(Math.min(maxSeconds, leftSeconds, MAX_PRESIGNED_SECONDS));
      if (expiresSeconds < 1) return undefined;
      const url = this.#toPublicUrl(key);
      const signed = presignS3Get({
        url,
        region: this.#options.regionName,
        credentials,
        nowMs,
        expiresSeconds,
        parameters,
      });
      return { url: signed, expiresSeconds };
    });
  }

  /** What is known of an object without its body, or `undefined`. */
  async head(key: string, call: BucketCall): Promise<BucketObject | undefined> {
    return this.#run(call, async ({ sdk, client }, abortSignal) => {
      const command = new sdk.HeadObjectCommand({ Bucket: this.#options.bucket, Key: key });
      const response = await orUndefined(client.send(command, { abortSignal }), "NotFound", "NoSuchKey");
      const { Metadata: metadata = {}, ContentLength: size = 0, ETag: etag } = response ?? {};
      return response && { metadata, size, etag };
    });
  }

  async delete(key: string, call: BucketCall): Promise<void> {
    await this.#run(call, async ({ sdk, client }, abortSignal) =>
      client.send(new sdk.DeleteObjectCommand({ Bucket: this.#options.bucket, Key: key }), { abortSignal }),
    );
  }

  async list({ prefix, startAfter, limit, delimiter }: ListOptions, call: BucketCall): Promise<KeyPage> {
    return this.#run(call, async ({ sdk, client }, abortSignal) => {
      const response = await client.send(
        new sdk.ListObjectsV2Command({
          Bucket: this.#options.bucket,
          Prefix: prefix,
          MaxKeys: limit,
          EncodingType: "url", // a foreign key may hold characters that XML cannot
          ...(startAfter !== undefined && { StartAfter: startAfter }),
          ...(delimiter !== undefined && { Delimiter: delimiter }),
        }),
        { abortSignal },
      );
      const keys = (response.Contents ?? []).map(({ Key: key = "" }) => decodeKey(key));
      const sizes = (response.Contents ?? []).map(({ Size: size = 0 }) => size);
      const commonPrefixes = (response.CommonPrefixes ?? []).map(({ Prefix: common = "" }) => decodeKey(common));
      return {
        keys,
        sizes,
        commonPrefixes,
        end: toPageEnd(keys, commonPrefixes),
        isTruncated: response.IsTruncated === true,
      };
    });
  }

  /** Deletes objects, `MAX_KEYS` in one request, and gives the keys that could not be, with the reason. */
  async deleteAll(keys: readonly string[], call: BucketCall): Promise<ReadonlyMap<string, string>> {
    const failed = new Map<string, string>();
    await this.#batches.forEach(keys, async (batch) =>
      this.#run(call, async (loaded, abortSignal) => {
        for (const [key, reason] of await this.#deletions.delete(loaded, batch, abortSignal)) failed.set(key, reason);
      }),
    );
    return failed;
  }

  /** The rules by which the store itself deletes objects. */
  async readLifecycle(call: BucketCall): Promise<readonly LifecycleRule[]> {
    return this.#run(call, async ({ sdk, client }, abortSignal) => {
      const command = new sdk.GetBucketLifecycleConfigurationCommand({ Bucket: this.#options.bucket });
      const response = await orUndefined(client.send(command, { abortSignal }), "NoSuchLifecycleConfiguration");
      return response?.Rules ?? [];
    });
  }

  /** Puts these rules in the place of all that were there. */
  async writeLifecycle(rules: readonly LifecycleRule[], call: BucketCall): Promise<void> {
    await this.#run(call, async ({ sdk, client }, abortSignal) => {
      const command = new sdk.PutBucketLifecycleConfigurationCommand({
        Bucket: this.#options.bucket,
        LifecycleConfiguration: { Rules: [...rules] },
      });
      return client.send(command, { abortSignal });
    });
  }

  /** True when deleted objects stay as old versions. */
  async isVersioned(call: BucketCall): Promise<boolean> {
    return this.#run(call, async ({ sdk, client }, abortSignal) => {
      const command = new sdk.GetBucketVersioningCommand({ Bucket: this.#options.bucket });
      return (await client.send(command, { abortSignal })).Status === "Enabled";
    });
  }

  /** Takes no more calls, waits for those in flight, then closes the connections. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#inFlight);
    const loaded = await this.#loaded?.catch(() => undefined);
    this.#loaded = undefined;
    loaded?.client.destroy();
  }

  async #load(): Promise<LoadedS3> {
    return (this.#loaded ??= loadS3(this.#options));
  }

  /** The object from a position on. What follows the headers outlives the signal. */
  async #openBody(
    { sdk, client }: LoadedS3,
    key: string,
    position: number,
    signal: AbortSignal,
  ): Promise<(BucketObject & { readonly stream: Readable }) | undefined> {
    const ended = new AbortController();
    const stop = (): void => ended.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      const command = new sdk.GetObjectCommand({
        Bucket: this.#options.bucket,
        Key: key,
        ...(position > 0 && { Range: `bytes=${position}-` }),
      });
      const sending = client.send(command, { abortSignal: ended.signal });
      const response = await orUndefined(sending, "NoSuchKey", "NotFound");
      if (response === undefined) return undefined;
      const {
        Body: stream,
        ContentRange: range,
        Metadata: metadata = {},
        ContentLength: size = 0,
        ETag: etag,
      } = response;
      if (!(stream instanceof Readable)) throw new TypeError("The SDK gave no stream");
      if (position > 0 && range?.startsWith(`bytes ${position}-`) !== true) {
        stream.destroy();
        throw new Error("The server did not give the range that was asked for");
      }
      return { stream, metadata, size, etag };
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  #toPublicUrl(key: string): URL {
    const { bucket, regionName: region, publicEndpointUrl: endpointUrl } = this.#options;
    return toObjectUrl({ bucket, key, region, endpointUrl });
  }

  async #run<Result>(
    call: BucketCall,
    work: (loaded: LoadedS3, abortSignal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    call.signal?.throwIfAborted();
    if (this.#isClosed) throw new StorageError("storage_unavailable", `${call.message}: the storage is closed`);
    const deadline = AbortSignal.timeout(this.#options.timeoutMs);
    const abortSignal = call.signal === undefined ? deadline : AbortSignal.any([deadline, call.signal]);
    const running = this.#load().then(async (loaded) => work(loaded, abortSignal));
    this.#inFlight.add(running);
    try {
      return await running;
    } catch (error) {
      call.signal?.throwIfAborted();
      throw this.#toError(error, call, deadline.aborted);
    } finally {
      this.#inFlight.delete(running);
    }
  }

  #toError(error: unknown, call: BucketCall, isTimedOut: boolean): Error {
    const { bucket, endpointUrl, credentials } = this.#options;
    const host = endpointUrl === undefined ? "" : ` at ${URL.parse(endpointUrl)?.host ?? "an invalid endpoint"}`;
    return toS3StorageError(error, {
      operation: call.operation,
      message: `${call.message} in bucket "${bucket}"${host}`,
      secrets: listSecrets(credentials),
      isTimedOut,
    });
  }
}

async function orUndefined<Result>(answer: Promise<Result>, ...names: readonly string[]): Promise<Result | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (names.includes(toS3Failure(error).name)) return undefined;
    throw error;
  }
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    return key;
  }
}

/** Behind the last key, and behind everything in the last folder: `0` follows `/`. */
function toPageEnd(keys: readonly string[], commonPrefixes: readonly string[]): string | undefined {
  const ends = [...keys.slice(-1), ...commonPrefixes.slice(-1).map((common) => `${common.slice(0, -1)}0`)];
  return ends.sort().at(-1);
}

/** What no error may repeat. */
function listSecrets(credentials: S3Credentials | undefined): string[] {
  if (credentials === undefined) return [];
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  return [accessKeyId, secretAccessKey.reveal(), ...(sessionToken ? [sessionToken.reveal()] : [])];
}
