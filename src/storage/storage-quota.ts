import type { Clock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import type { Logger } from "../logging/logger.ts";

/** How much a store may hold, and what happens at the limit. */
export interface StorageLimits {
  /** For pictures and records, kept ones too; `undefined`: no limit. */
  readonly maxBytes?: number | undefined;
  /** What must stay free on the volume of the files; default 0. Object stores know none. */
  readonly minFreeDiskBytes?: number;
  /** Whether a full store refuses, or deletes its oldest pictures that are not kept; default `refuse`. */
  readonly whenFull?: "refuse" | "evict_oldest";
  /** What a job reserves before its picture exists: the size of the largest; default 10 MiB. */
  readonly reservedBytes?: number;
}

/** What is stored. */
export interface StorageTally {
  readonly images: number;
  readonly bytes: number;
  /** The part of it that is kept. */
  readonly keptImages: number;
  readonly keptBytes: number;
}

/** What is stored as far as this process knows; others' saves and deletions of the last half minute may be missing. */
export interface StorageUsage extends StorageTally {
  readonly limitBytes: number | undefined;
  /** Deleted by this process to make room. */
  readonly evictedImages: number;
}

/** Knows what is stored without walking through it each time. */
export interface UsageCounter {
  readonly tally: StorageTally;
  /** Looks at what has changed; thoroughly when something is about to be refused or deleted for lack of room. */
  refresh(options: { readonly isThorough: boolean }): Promise<void>;
}

export interface Evicted {
  readonly images: number;
  readonly bytes: number;
}

export interface StorageQuotaOptions {
  readonly limits: StorageLimits;
  readonly counter: UsageCounter;
  /** Deletes the oldest pictures that are not kept until about so many bytes are free. */
  readonly evictOldest: (bytes: number, signal: AbortSignal | undefined) => Promise<Evicted>;
  /** What is free on the volume; absent where nobody knows. */
  readonly readFreeBytes?: () => Promise<number>;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface RoomWish {
  readonly bytes: number;
  /** What others hold already. */
  readonly heldBytes: () => number;
  readonly hold: (change: number) => void;
  readonly signal: AbortSignal | undefined;
}

const DEFAULT_RESERVED_BYTES = 10 * 1024 * 1024;
/** How old the knowledge of what others saved may be. */
const FRESH_MS = 30_000;
/** The same before anything is refused or deleted for lack of room. */
const FRESH_WHEN_FULL_MS = 1000;
const EVICTION_ROUNDS = 5;

/** Holds a store to its limits. Each process counts for itself: several together may exceed them by what they save in half a minute. */
export class StorageQuota {
  readonly #options: StorageQuotaOptions;
  readonly #minFreeBytes: number;
  readonly #reservation: number;
  #reservedBytes = 0;
  #savingBytes = 0;
  #evictedImages = 0;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;
  #evicting: Promise<void> = Promise.resolve();

  constructor(options: StorageQuotaOptions) {
    this.#options = options;
    this.#minFreeBytes = options.limits.minFreeDiskBytes ?? 0;
    this.#reservation = options.limits.reservedBytes ?? DEFAULT_RESERVED_BYTES;
  }

  /** `undefined` until it was first counted, which this begins. Costs nothing. */
  get usage(): StorageUsage | undefined {
    this.#refresh(FRESH_MS, undefined).catch((error: unknown) => {
      this.#options.logger.warn("storage_usage_unknown", { error });
    });
    if (this.#refreshedAtMs === Number.NEGATIVE_INFINITY) return undefined;
    const { counter, limits } = this.#options;
    return { ...counter.tally, limitBytes: limits.maxBytes, evictedImages: this.#evictedImages };
  }

  /** Counts now. */
  async measure(signal: AbortSignal | undefined): Promise<StorageUsage> {
    await this.#refresh(0, signal);
    const { counter, limits } = this.#options;
    return { ...counter.tally, limitBytes: limits.maxBytes, evictedImages: this.#evictedImages };
  }

  /** Holds room for a picture that is yet to be drawn. @throws {StorageError} `storage_full` */
  async reserve(signal: AbortSignal | undefined): Promise<Disposable> {
    return this.#makeRoom({
      bytes: this.#reservation,
      heldBytes: () => this.#reservedBytes + this.#savingBytes,
      hold: (change) => (this.#reservedBytes += change),
      signal,
    });
  }

  /** Lets a picture of this size be saved, and holds its room until it is counted. @throws {StorageError} `storage_full` */
  async admit(bytes: number, signal: AbortSignal | undefined): Promise<Disposable> {
    return this.#makeRoom({
      bytes,
      heldBytes: () => this.#savingBytes,
      hold: (change) => (this.#savingBytes += change),
      signal,
    });
  }

  async #makeRoom(wish: RoomWish): Promise<Disposable> {
    const { maxBytes, whenFull } = this.#options.limits;
    if (maxBytes === undefined && this.#minFreeBytes === 0) return { [Symbol.dispose]: () => undefined };
    if (maxBytes !== undefined) await this.#refresh(FRESH_MS, wish.signal);
    let outcome = await this.#tryHold(wish);
    if (typeof outcome === "number" && maxBytes !== undefined) {
      await this.#refresh(FRESH_WHEN_FULL_MS, wish.signal, true);
      outcome = await this.#tryHold(wish);
    }
    if (typeof outcome === "number" && whenFull === "evict_oldest") outcome = await this.#evictInTurn(wish);
    if (typeof outcome !== "number") return outcome;
    throw new StorageError("storage_full", `Cannot make room for a picture: ${outcome} bytes too few under the limit`);
  }

  /** Holds the room, or gives how many bytes are missing. Nothing may come between the check and the hold. */
  async #tryHold({ bytes, heldBytes, hold }: RoomWish): Promise<Disposable | number> {
    const { limits, counter, readFreeBytes } = this.#options;
    const freeBytes = this.#minFreeBytes === 0 ? undefined : await readFreeBytes?.();
    const needed = bytes + heldBytes();
    const missing = Math.max(
      limits.maxBytes === undefined ? 0 : counter.tally.bytes + needed - limits.maxBytes,
      freeBytes === undefined ? 0 : this.#minFreeBytes + needed - freeBytes,
    );
    if (missing > 0) return missing;
    hold(bytes);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) hold(-bytes);
        isHeld = false;
      },
    };
  }

  /** One after the other, so that what one frees is not freed twice. */
  async #evictInTurn(wish: RoomWish): Promise<Disposable | number> {
    const turn = this.#evicting.then(async () => this.#evict(wish));
    this.#evicting = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  async #evict(wish: RoomWish): Promise<Disposable | number> {
    for (let round = 1; ; round++) {
      const outcome = await this.#tryHold(wish);
      if (typeof outcome !== "number" || round > EVICTION_ROUNDS) return outcome;
      const { images, bytes } = await this.#options.evictOldest(outcome, wish.signal);
      this.#evictedImages += images;
      if (images > 0) this.#options.logger.info("images_evicted", { images, bytes });
      await this.#refresh(0, wish.signal);
      if (images === 0) return this.#tryHold(wish);
    }
  }

  async #refresh(maxAgeMs: number, signal: AbortSignal | undefined, isThorough = false): Promise<void> {
    if (this.#options.clock.monotonicMs() - this.#refreshedAtMs < maxAgeMs) return;
    this.#refreshing ??= this.#refreshOnce(isThorough).finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
    signal?.throwIfAborted();
  }

  async #refreshOnce(isThorough: boolean): Promise<void> {
    const startedAtMs = this.#options.clock.monotonicMs();
    await this.#options.counter.refresh({ isThorough });
    this.#refreshedAtMs = startedAtMs;
  }
}
