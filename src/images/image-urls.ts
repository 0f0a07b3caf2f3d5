import type { Clock } from "../core/clock.ts";
import type { UrlSigner } from "../core/url-signer.ts";

export interface ImageUrlsOptions {
  /** The address of a picture without anything behind it. */
  readonly toImageUrl: (imageId: string) => string;
  /** Without one, addresses are not signed. */
  readonly signer: UrlSigner | undefined;
  /** The longest that a signed address holds. */
  readonly expirySeconds: number;
  readonly clock: Clock;
}

/** The addresses of pictures as they leave the process. */
export class ImageUrls {
  readonly #options: ImageUrlsOptions;

  constructor(options: ImageUrlsOptions) {
    this.#options = options;
  }

  /** Holds no longer than the picture, which `undefined` says has no end. */
  toUrl(imageId: string, expiresAtMs: number | undefined): string {
    const { toImageUrl, signer } = this.#options;
    const url = toImageUrl(imageId);
    return signer === undefined ? url : `${url}?${signer.sign(imageId, this.#toExpiry(expiresAtMs))}`;
  }

  /**
   * The end of the picture's time where that comes first. Else in steps of an eighth, so that the same picture keeps its
   * address for a while, and browsers what they have of it.
   */
  #toExpiry(expiresAtMs = Infinity): number {
    const { clock, expirySeconds } = this.#options;
    const expiryMs = expirySeconds * 1000;
    const stepMs = Math.max(1000, expiryMs / 8);
    return Math.min(expiresAtMs, Math.floor(clock.nowMs() / stepMs) * stepMs + expiryMs);
  }
}
