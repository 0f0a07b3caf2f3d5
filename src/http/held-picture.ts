import type { OpenImage } from "../storage/abstract-storage.ts";
import type { PictureHead } from "./picture-head.ts";

export interface HeldPictureOptions {
  readonly head: PictureHead;
  readonly imageData: Buffer;
  /** Of the look at the store that found it. */
  readonly checkedAtMs: number;
  /** Nobody sends it any more. */
  readonly onIdle: () => void;
}

/** A picture in memory, which stays as it is while somebody sends it. */
export class HeldPicture {
  readonly kind = "held";
  /** Changes when the picture is kept or released: with its time, not with its bytes. */
  head: PictureHead;
  readonly imageData: Buffer;
  checkedAtMs: number;
  /** Replaced when the picture leaves the cache while it is being sent. */
  onIdle: () => void;
  #senders = 0;

  constructor({ head, imageData, checkedAtMs, onIdle }: HeldPictureOptions) {
    this.head = head;
    this.imageData = imageData;
    this.checkedAtMs = checkedAtMs;
    this.onIdle = onIdle;
  }

  get isIdle(): boolean {
    return this.#senders === 0;
  }

  retain(senders = 1): void {
    this.#senders += senders;
  }

  /** Once for each time that it was retained. */
  release(): void {
    this.#senders--;
    if (this.#senders === 0) this.onIdle();
  }
}

/** A picture for which there is no room in memory; it is read in parts, by one reader. */
export interface OpenedPicture {
  readonly kind: "open";
  readonly head: PictureHead;
  readonly image: OpenImage;
  release(): void;
}

export type Picture = HeldPicture | OpenedPicture;
