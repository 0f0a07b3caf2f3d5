import { LRUCache } from "lru-cache";
import type { Clock } from "../core/clock.ts";
import type { ImageService } from "../images/image-service.ts";
import { toPictureHead, type PictureHead } from "./picture-head.ts";

export interface Picture {
  readonly head: PictureHead;
  readonly imageData: Buffer;
}

export interface PictureCacheOptions {
  readonly images: Pick<ImageService, "getImage" | "getMetadata" | "expiresAtMs">;
  readonly clock: Clock;
  readonly maxBytes: number;
  /** Larger pictures stay only as long as an answer with them is being sent. */
  readonly maxPictureBytes: number;
  /** After this time a hit asks the store whether the picture is still there: another process may have deleted it. */
  readonly revalidateMs: number;
}

interface Entry {
  /** Changes when the picture is kept or released: with its time, not with its bytes. */
  head: PictureHead;
  readonly held: Buffer | WeakBuffer;
  checkedAtMs: number;
}

/** Bytes that are here as long as somebody else holds them. */
interface WeakBuffer {
  readonly memory: WeakRef<ArrayBufferLike>;
  readonly offset: number;
}

interface Load {
  readonly result: Promise<Picture | undefined>;
  isForgotten: boolean;
}

const MAX_WEAK_ENTRIES = 1_000;

/**
 * Pictures in memory, the least recently asked-for leaving first. Concurrent questions for one picture read it once,
 * and answers that are being sent share its bytes whatever its size.
 */
export class PictureCache {
  readonly #options: PictureCacheOptions;
  readonly #small: LRUCache<string, Entry>;
  readonly #large = new LRUCache<string, Entry>({ max: MAX_WEAK_ENTRIES });
  readonly #loads = new Map<string, Load>();

  constructor(options: PictureCacheOptions) {
    this.#options = options;
    this.#small = new LRUCache({ maxSize: options.maxBytes, sizeCalculation: (entry) => Math.max(1, entry.head.size) });
  }

  /** The picture when it is in memory, was looked for lately and has not expired. */
  getFresh(imageId: string): Picture | undefined {
    const entry = this.#getEntry(imageId);
    const { clock, revalidateMs } = this.#options;
    if (entry === undefined || entry.head.expiresAtMs <= clock.nowMs()) return undefined;
    if (clock.monotonicMs() - entry.checkedAtMs >= revalidateMs) return undefined;
    return toPicture(entry);
  }

  /** The picture, from memory when the store says that it is still there. */
  async load(imageId: string): Promise<Picture | undefined> {
    const running = this.#loads.get(imageId);
    if (running !== undefined) return running.result;
    const { promise, resolve, reject } = Promise.withResolvers<Picture | undefined>();
    const load: Load = { result: promise, isForgotten: false };
    this.#loads.set(imageId, load);
    this.#read(imageId, load)
      .then(resolve, reject)
      .finally(() => {
        if (this.#loads.get(imageId) === load) this.#loads.delete(imageId);
      });
    return promise;
  }

  /** What the headers need, without the picture. A picture in memory counts as looked for then. */
  async loadHead(imageId: string): Promise<PictureHead | undefined> {
    const startedAtMs = this.#options.clock.monotonicMs();
    const metadata = await this.#options.images.getMetadata(imageId);
    const head = metadata && toPictureHead(metadata, this.#options.images.expiresAtMs(metadata));
    const entry = this.#getEntry(imageId);
    if (entry !== undefined && head !== undefined && entry.head.sha256 === head.sha256) {
      entry.checkedAtMs = startedAtMs;
      entry.head = head;
    }
    return head;
  }

  /** Drops the picture, and keeps loads that have begun from bringing it back. */
  forget(imageId: string): void {
    this.#small.delete(imageId);
    this.#large.delete(imageId);
    const load = this.#loads.get(imageId);
    if (load !== undefined) load.isForgotten = true;
    this.#loads.delete(imageId);
  }

  async #read(imageId: string, load: Load): Promise<Picture | undefined> {
    const startedAtMs = this.#options.clock.monotonicMs();
    const entry = this.#getEntry(imageId);
    const known = entry && toPicture(entry);
    if (entry !== undefined && known !== undefined) {
      const head = await this.loadHead(imageId);
      if (head?.sha256 === entry.head.sha256) return { head, imageData: known.imageData };
      if (!load.isForgotten) this.#drop(imageId);
      if (head === undefined) return undefined;
    }
    const image = await this.#options.images.getImage(imageId);
    if (image === undefined) return undefined;
    const head = toPictureHead(image.record, this.#options.images.expiresAtMs(image.record));
    const picture = { head, imageData: image.imageData };
    if (!load.isForgotten) this.#keep(imageId, picture, startedAtMs);
    return picture;
  }

  #keep(imageId: string, { head, imageData }: Picture, checkedAtMs: number): void {
    if (imageData.length <= this.#options.maxPictureBytes) {
      this.#small.set(imageId, { head, held: imageData, checkedAtMs });
      return;
    }
    const memory = new WeakRef(imageData.buffer);
    this.#large.set(imageId, { head, held: { memory, offset: imageData.byteOffset }, checkedAtMs });
  }

  #getEntry(imageId: string): Entry | undefined {
    return this.#small.get(imageId) ?? this.#large.get(imageId);
  }

  #drop(imageId: string): void {
    this.#small.delete(imageId);
    this.#large.delete(imageId);
  }
}

function toPicture({ head, held }: Entry): Picture | undefined {
  if (Buffer.isBuffer(held)) return { head, imageData: held };
  const memory = held.memory.deref();
  return memory && { head, imageData: Buffer.from(memory, held.offset, head.size) };
}
