import { LRUCache } from "lru-cache";
import type { Clock } from "../core/clock.ts";
import type { ImageService } from "../images/image-service.ts";
import type { OpenImage } from "../storage/abstract-storage.ts";
import { SendingMemory } from "./sending-memory.ts";
import { HeldPicture, type OpenedPicture, type Picture } from "./held-picture.ts";
import { toPictureHead, type PictureHead } from "./picture-head.ts";

export interface PictureCacheOptions {
  readonly images: Pick<ImageService, "openImage" | "getMetadata" | "expiresAtMs">;
  readonly clock: Clock;
  /** Of pictures that stay in memory. */
  readonly maxBytes: number;
  /** Larger pictures stay only as long as an answer with them is being sent. */
  readonly maxPictureBytes: number;
  /** Of pictures that are being sent and do not stay. What finds no room there is read in parts. */
  readonly maxSendingBytes: number;
  /** After this time a hit asks the store whether the picture is still there: another process may have deleted it. */
  readonly revalidateMs: number;
}

interface Load {
  readonly result: Promise<Picture | undefined>;
  /** How many wait for it. */
  waiting: number;
  isForgotten: boolean;
}

/**
 * Pictures in memory, the least recently asked-for leaving first. A picture stays when it is asked for a second time while
 * the cache could still have held it, so that one walk over many pictures throws out nothing. Concurrent questions for one
 * picture read it once, and answers that are being sent share its bytes.
 */
export class PictureCache {
  readonly #options: PictureCacheOptions;
  readonly #kept: LRUCache<string, HeldPicture>;
  /** Being sent, and not kept. */
  readonly #sending = new Map<string, HeldPicture>();
  /** The sizes of pictures that were asked for lately. */
  readonly #seen: LRUCache<string, number>;
  readonly #loads = new Map<string, Load>();
  readonly #memory: SendingMemory;

  constructor(options: PictureCacheOptions) {
    this.#options = options;
    this.#memory = new SendingMemory(options.maxSendingBytes);
    this.#kept = new LRUCache({
      maxSize: options.maxBytes,
      sizeCalculation: ({ head }) => Math.max(1, head.size),
      dispose: (picture) => this.#leave(picture),
    });
    this.#seen = new LRUCache({ maxSize: options.maxBytes, sizeCalculation: (size) => Math.max(1, size) });
  }

  /** The picture when it is in memory, was looked for lately and has not expired. Retain it to use its bytes later. */
  getFresh(imageId: string): HeldPicture | undefined {
    const picture = this.#getHeld(imageId);
    const { clock, revalidateMs } = this.#options;
    if (picture === undefined || picture.head.expiresAtMs <= clock.nowMs()) return undefined;
    if (clock.monotonicMs() - picture.checkedAtMs >= revalidateMs) return undefined;
    this.#noteSeen(imageId, picture.head.size);
    return picture;
  }

  /** The picture, from memory when the store says that it is still there. The caller releases it. */
  async load(imageId: string): Promise<Picture | undefined> {
    const running = this.#loads.get(imageId);
    if (running !== undefined) {
      running.waiting++;
      const picture = await running.result;
      return picture?.kind === "open" ? this.open(imageId) : picture;
    }
    const { promise, resolve, reject } = Promise.withResolvers<Picture | undefined>();
    const load: Load = { result: promise, waiting: 1, isForgotten: false };
    this.#loads.set(imageId, load);
    this.#read(imageId, load)
      .finally(() => {
        if (this.#loads.get(imageId) === load) this.#loads.delete(imageId);
      })
      .then((picture) => {
        if (picture?.kind === "held") picture.retain(load.waiting - 1);
        resolve(picture);
      }, reject);
    return promise;
  }

  /** The picture open for reading in parts, whether or not it is in memory. The caller releases it. */
  async open(imageId: string): Promise<OpenedPicture | undefined> {
    const image = await this.#options.images.openImage(imageId);
    return image && toOpened(image, this.#toHead(image));
  }

  /** What the headers need, without the picture. A picture in memory counts as looked for then. */
  async loadHead(imageId: string): Promise<PictureHead | undefined> {
    const startedAtMs = this.#options.clock.monotonicMs();
    const metadata = await this.#options.images.getMetadata(imageId);
    const head = metadata && toPictureHead(metadata, this.#options.images.expiresAtMs(metadata));
    const held = this.#getHeld(imageId);
    if (held !== undefined && head !== undefined && held.head.sha256 === head.sha256) {
      held.checkedAtMs = startedAtMs;
      held.head = head;
    }
    return head;
  }

  /** Drops the picture, and keeps loads that have begun from bringing it back. */
  forget(imageId: string): void {
    this.#drop(imageId);
    const load = this.#loads.get(imageId);
    if (load !== undefined) load.isForgotten = true;
    this.#loads.delete(imageId);
  }

  /** Gives the picture retained once. */
  async #read(imageId: string, load: Load): Promise<Picture | undefined> {
    const startedAtMs = this.#options.clock.monotonicMs();
    const held = this.#getHeld(imageId);
    if (held !== undefined) {
      held.retain();
      let head: PictureHead | undefined;
      try {
        head = await this.loadHead(imageId);
        if (head?.sha256 === held.head.sha256) {
          this.#noteSeen(imageId, head.size);
          return held;
        }
      } finally {
        if (head?.sha256 !== held.head.sha256) held.release();
      }
      if (!load.isForgotten) this.#drop(imageId);
      if (head === undefined) return undefined;
    }
    const image = await this.#options.images.openImage(imageId);
    return image && this.#readWhole(imageId, image, load, startedAtMs);
  }

  async #readWhole(imageId: string, image: OpenImage, load: Load, checkedAtMs: number): Promise<Picture> {
    const head = this.#toHead(image);
    const isKept = !load.isForgotten && this.#isWanted(imageId, head.size);
    const lent = isKept ? undefined : this.#memory.take(head.size);
    if (!isKept && lent === undefined) return toOpened(image, head);
    const imageData = lent?.bytes ?? Buffer.allocUnsafeSlow(head.size);
    try {
      await image.read(imageData, 0);
    } catch (error) {
      lent?.release();
      throw error;
    } finally {
      image.close();
    }
    if (lent === undefined) {
      const picture = new HeldPicture({ head, imageData, checkedAtMs, onIdle: () => undefined });
      picture.retain();
      if (!load.isForgotten) this.#kept.set(imageId, picture);
      return picture;
    }
    const onIdle = (): void => {
      if (this.#sending.get(imageId) === picture) this.#sending.delete(imageId);
      lent.release();
    };
    const picture: HeldPicture = new HeldPicture({ head, imageData, checkedAtMs, onIdle });
    picture.retain();
    if (!load.isForgotten) this.#sending.set(imageId, picture);
    return picture;
  }

  /** True when the picture is to stay in memory. */
  #isWanted(imageId: string, sizeBytes: number): boolean {
    if (sizeBytes > this.#options.maxPictureBytes) return false;
    return this.#noteSeen(imageId, sizeBytes);
  }

  /**
   * Gives whether the picture was asked for lately. Answers from memory count as well: were only the others remembered,
   * a walk over more pictures than fit would seem to fit, and each would throw out the next.
   */
  #noteSeen(imageId: string, sizeBytes: number): boolean {
    if (this.#seen.get(imageId) !== undefined) return true;
    this.#seen.set(imageId, sizeBytes);
    return false;
  }

  /** A picture that leaves while it is being sent still takes memory. */
  #leave(picture: HeldPicture): void {
    if (picture.isIdle) return;
    this.#memory.charge(picture.head.size);
    picture.onIdle = () => this.#memory.charge(-picture.head.size);
  }

  #toHead({ record }: OpenImage): PictureHead {
    return toPictureHead(record, this.#options.images.expiresAtMs(record));
  }

  #getHeld(imageId: string): HeldPicture | undefined {
    return this.#kept.get(imageId) ?? this.#sending.get(imageId);
  }

  #drop(imageId: string): void {
    this.#kept.delete(imageId);
    this.#sending.delete(imageId);
  }
}

function toOpened(image: OpenImage, head: PictureHead): OpenedPicture {
  return { kind: "open", head, image, release: () => image.close() };
}
