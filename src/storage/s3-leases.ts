import { systemClock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import type { ImageId } from "../core/image-id.ts";
import { systemRandom } from "../core/random.ts";
import type { Logger } from "../logging/logger.ts";
import type { BucketCall, S3Bucket } from "./s3-bucket.ts";
import type { S3Keys } from "./s3-keys.ts";

export interface S3LeasesOptions {
  readonly bucket: S3Bucket;
  /** Where the locks lie, by the id of the picture. */
  readonly keys: S3Keys;
  readonly logger: Logger;
  /** For so long a process may work on a picture; then its requests are aborted. Default: 10 s, far longer than a move takes. */
  readonly leaseMs?: number;
}

const LEASE_MS = 10_000;
/** A lock that somebody sees unchanged for so many leases was left by a process that died. */
const ABANDONED_LEASES = 1.5;
/** For so many leases a caller waits: enough to find one lock abandoned. */
const PATIENCE_LEASES = 2.5;
const CONTENT_TYPE = "text/plain";
const FIRST_PAUSE_MS = 10;
/** So many longest pauses make a lease. */
const PAUSES_PER_LEASE = 40;

/** The lock of somebody else. */
interface SeenLock {
  readonly etag: string;
  /** On the monotonic clock. */
  readonly sinceMs: number;
}

/**
 * Turns that processes take on one picture, where two at once could lose it: who has the turn has put an object beside
 * the pictures that only one can create. No clocks are compared: whoever waits measures for how long the lock stays the same.
 */
export class S3Leases {
  readonly #bucket: S3Bucket;
  readonly #keys: S3Keys;
  readonly #logger: Logger;
  readonly #leaseMs: number;

  constructor({ bucket, keys, logger, leaseMs = LEASE_MS }: S3LeasesOptions) {
    this.#bucket = bucket;
    this.#keys = keys;
    this.#logger = logger;
    this.#leaseMs = leaseMs;
  }

  /**
   * Does the work while no other process is at work on the picture; the work's requests take the call that it is given.
   *
   * @param options.goesOnWhenFull for work that makes room: in a store that is too full for a lock, it is done without
   * @throws {StorageError} of the call's code when the others, or the work itself, take too long
   */
  async hold<Result>(
    id: ImageId,
    call: BucketCall,
    work: (held: BucketCall) => Promise<Result>,
    { goesOnWhenFull = false }: { readonly goesOnWhenFull?: boolean } = {},
  ): Promise<Result> {
    const key = this.#keys.toImageKey(id);
    const startedAtMs = await this.#acquire(key, call).catch((error: unknown) => {
      if (goesOnWhenFull && error instanceof StorageError && error.code === "storage_full") return undefined;
      throw error;
    });
    if (startedAtMs === undefined) return work(call);
    const leftMs = (): number => startedAtMs + this.#leaseMs - systemClock.monotonicMs();
    const ended = AbortSignal.timeout(Math.max(0, Math.ceil(leftMs())));
    const signal = call.signal === undefined ? ended : AbortSignal.any([ended, call.signal]);
    try {
      return await work({ ...call, signal });
    } catch (error) {
      call.signal?.throwIfAborted();
      throw ended.aborted ? new StorageError(call.operation, `${call.message}: it took too long`) : error;
    } finally {
      // Later than that it may be the lock of somebody else.
      if (leftMs() > 0) await this.#release(key, call);
    }
  }

  /** Gives the time from which the lease counts: before anybody else can have seen the lock. */
  async #acquire(key: string, call: BucketCall): Promise<number> {
    const token = Buffer.from(systemRandom.bytes(8)).toString("hex");
    const body = Buffer.from(token); // makes the ETag that of this lock alone
    const endMs = systemClock.monotonicMs() + this.#leaseMs * PATIENCE_LEASES;
    const longestPauseMs = this.#leaseMs / PAUSES_PER_LEASE;
    let seen: SeenLock | undefined;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      const nowMs = systemClock.monotonicMs();
      const isAbandoned = seen !== undefined && nowMs - seen.sinceMs >= this.#leaseMs * ABANDONED_LEASES;
      const isStored =
        seen !== undefined && isAbandoned
          ? await this.#replace(key, body, seen, call)
          : (await this.#bucket.put(key, body, { contentType: CONTENT_TYPE, createOnly: true }, call)).kind ===
            "stored";
      if (isStored) return nowMs;
      const lock = await this.#bucket.get(key, call);
      if (lock?.bytes.equals(body) === true) return nowMs; // by an attempt whose answer was lost
      if (lock?.etag === undefined) seen = undefined;
      else if (seen?.etag !== lock.etag) seen = { etag: lock.etag, sinceMs: systemClock.monotonicMs() };
      if (systemClock.monotonicMs() >= endMs) {
        throw new StorageError(call.operation, `${call.message}: another process is at work on it`);
      }
      await systemClock.sleep(pauseMs * (0.5 + systemRandom.fraction()), call.signal);
    }
  }

  /** Takes over a lock, unless another process was faster. */
  async #replace(key: string, body: Buffer, { etag }: SeenLock, call: BucketCall): Promise<boolean> {
    this.#logger.warn("storage_lock_taken_over", { key });
    // Ceph RGW compares with what the header says, without the quotes that HTTP has around an ETag.
    for (const replaces of [etag, etag.replaceAll('"', "")]) {
      const outcome = await this.#bucket.put(key, body, { contentType: CONTENT_TYPE, replaces }, call);
      if (outcome.kind === "stored") return true;
    }
    return false;
  }

  async #release(key: string, call: BucketCall): Promise<void> {
    try {
      await this.#bucket.delete(key, { ...call, signal: undefined });
    } catch (error) {
      // The work is done; the next one who wants the picture waits until the lock counts as abandoned.
      this.#logger.warn("storage_lock_left", { key, error });
    }
  }
}
