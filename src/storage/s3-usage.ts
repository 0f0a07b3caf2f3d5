import type { Clock } from "../core/clock.ts";
import { type BucketCall, type S3Bucket } from "./s3-bucket.ts";
import { MAX_KEYS } from "./s3-key-batches.ts";
import type { S3Keys } from "./s3-keys.ts";
import type { KeySpaces, S3ImageId } from "./s3-records.ts";
import type { StorageTally, UsageCounter } from "./storage-quota.ts";

interface Count {
  images: number;
  bytes: number;
}

const SLOT_MS = 10 * 60 * 1000;
/** Clocks that differ and saves on their way: a picture may appear behind younger ones within this time. */
const LATE_MS = 15 * 60 * 1000;
/** Deletions by others are noticed when everything is listed again. */
const FULL_LISTING_MS = 60 * 60 * 1000;
const THOROUGH_LISTING_MS = 10 * 60 * 1000;

/**
 * What the objects take, in slots of ten minutes by the time in their keys. The newest are listed at each look, which
 * is one request as a rule; everything once an hour, a thousand objects a request.
 */
export class S3Usage implements UsageCounter {
  readonly #bucket: S3Bucket;
  readonly #spaces: KeySpaces;
  readonly #clock: Clock;
  #slots = new Map<number, Count>();
  #kept: Count = { images: 0, bytes: 0 };
  #listedAtMs = Number.NEGATIVE_INFINITY;
  #listedAllAtMs = Number.NEGATIVE_INFINITY;

  constructor(bucket: S3Bucket, spaces: KeySpaces, clock: Clock) {
    this.#bucket = bucket;
    this.#spaces = spaces;
    this.#clock = clock;
  }

  get tally(): StorageTally {
    const { images: keptImages, bytes: keptBytes } = this.#kept;
    const tally = { images: keptImages, bytes: keptBytes, keptImages, keptBytes };
    for (const { images, bytes } of this.#slots.values()) {
      tally.images += images;
      tally.bytes += bytes;
    }
    return tally;
  }

  /** The end of the oldest slot that holds anything, or `undefined`. */
  get oldestSlotEndMs(): number | undefined {
    let oldest: number | undefined;
    for (const [startMs, { images }] of this.#slots) {
      if (images > 0 && (oldest === undefined || startMs < oldest)) oldest = startMs;
    }
    return oldest === undefined ? undefined : oldest + SLOT_MS;
  }

  /** Counts what was just saved. */
  add(createdAtMs: number, bytes: number): void {
    addTo(this.#slots, createdAtMs, bytes, 1);
  }

  /** Counts out what was just deleted. */
  subtract(createdAtMs: number, bytes: number, images: number): void {
    addTo(this.#slots, createdAtMs, -bytes, -images);
  }

  /** Counts what was just moved to where it is now. */
  move({ createdAtMs, isKept }: S3ImageId, bytes: number): void {
    const sign = isKept ? 1 : -1;
    addTo(this.#slots, createdAtMs, -sign * bytes, -sign);
    this.#kept.images += sign;
    this.#kept.bytes += sign * bytes;
  }

  /** Forgets a slot of which everything was found to be gone. */
  dropSlotBefore(endMs: number): void {
    this.#slots.delete(endMs - SLOT_MS);
  }

  /** What was deleted for its age, by whomever. */
  dropOlderThan(timeMs: number): void {
    for (const startMs of this.#slots.keys()) if (startMs + SLOT_MS <= timeMs) this.#slots.delete(startMs);
  }

  async refresh({ isThorough }: { readonly isThorough: boolean }): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const maxAgeMs = isThorough ? THOROUGH_LISTING_MS : FULL_LISTING_MS;
    const isFull = !(nowMs - this.#listedAllAtMs < maxAgeMs && nowMs >= this.#listedAllAtMs);
    const sinceMs = isFull ? Number.NEGATIVE_INFINITY : toSlot(this.#listedAtMs - LATE_MS);
    const call: BucketCall = {
      operation: "storage_list_failed",
      message: "Cannot count what is stored",
      signal: undefined,
    };
    const found = await this.#list(this.#spaces.current, sinceMs, call);
    if (isFull || this.#kept.images <= MAX_KEYS) {
      const kept = await this.#list(this.#spaces.kept, Number.NEGATIVE_INFINITY, call);
      this.#kept = { images: 0, bytes: 0 };
      for (const { images, bytes } of kept.values()) {
        this.#kept.images += images;
        this.#kept.bytes += bytes;
      }
    }
    const older = isFull ? [] : [...this.#slots].filter(([startMs]) => startMs < sinceMs);
    this.#slots = new Map([...older, ...found]);
    this.#listedAtMs = nowMs;
    if (isFull) this.#listedAllAtMs = nowMs;
  }

  async #list(keys: S3Keys, sinceMs: number, call: BucketCall): Promise<Map<number, Count>> {
    const slots = new Map<number, Count>();
    let startAfter = keys.beforeAll;
    for (;;) {
      const page = await this.#bucket.list({ prefix: keys.prefix, startAfter, limit: MAX_KEYS, delimiter: "/" }, call);
      for (const [index, key] of page.keys.entries()) {
        const parsed = keys.parse(key);
        if (parsed === undefined || parsed.kind === "probe") continue;
        if (parsed.createdAtMs < sinceMs) return slots;
        addTo(slots, parsed.createdAtMs, page.sizes[index] ?? 0, parsed.kind === "image" ? 1 : 0);
      }
      if (!page.isTruncated) return slots;
      startAfter = page.end ?? startAfter;
    }
  }
}

function addTo(slots: Map<number, Count>, createdAtMs: number, bytes: number, images: number): void {
  const slot = toSlot(createdAtMs);
  const count = slots.get(slot);
  if (count === undefined) {
    slots.set(slot, { images, bytes });
    return;
  }
  count.images += images;
  count.bytes += bytes;
}

function toSlot(timeMs: number): number {
  return Math.floor(timeMs / SLOT_MS) * SLOT_MS;
}
