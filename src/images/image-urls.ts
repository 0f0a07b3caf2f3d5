import type { Clock } from "../core/clock.ts";
import type { UrlSigner } from "../core/url-signer.ts";
import type { AbstractStorage, DirectUrl, ImageRecord } from "../storage/abstract-storage.ts";

export interface ImageUrlsOptions {
  /** The address of a picture without anything behind it. */
  readonly toImageUrl: (imageId: string) => string;
  /** Without one, addresses are not signed. */
  readonly signer: UrlSigner | undefined;
  /** The longest that a signed address holds. */
  readonly expirySeconds: number;
  readonly clock: Clock;
  readonly mode: UrlMode;
  readonly storage: Pick<AbstractStorage, "createDirectUrl" | "directOrigin">;
}

/** Who serves pictures: this server; the store, to which this server redirects; or the store at once. */
export type UrlMode = "proxy" | "redirect" | "presigned";

/** The addresses of pictures as they leave the process. */
export class ImageUrls {
  readonly #options: ImageUrlsOptions;

  constructor(options: ImageUrlsOptions) {
    this.#options = options;
  }

  /** Of a stored picture, as results and lists tell it. */
  async toStoredUrl(record: ImageRecord, expiresAtMs: number | undefined): Promise<string> {
    const direct = this.#options.mode === "presigned" ? await this.#createDirectUrl(record, expiresAtMs) : undefined;
    return direct?.url ?? this.toUrl(record.image_id, expiresAtMs);
  }

  /** Where a client is sent that asks this server; `undefined` when this server answers itself. */
  async toRedirectUrl(record: ImageRecord, expiresAtMs: number | undefined): Promise<DirectUrl | undefined> {
    return this.#options.mode === "proxy" ? undefined : this.#createDirectUrl(record, expiresAtMs);
  }

  /** Where pictures come from that this server does not serve itself. */
  get directOrigin(): string | undefined {
    return this.isProxy ? undefined : this.#options.storage.directOrigin;
  }

  get isProxy(): boolean {
    return this.#options.mode === "proxy";
  }

  async #createDirectUrl(record: ImageRecord, expiresAtMs = Infinity): Promise<DirectUrl | undefined> {
    const { storage, expirySeconds, clock } = this.#options;
    return storage.createDirectUrl(record, Math.min(expirySeconds, (expiresAtMs - clock.nowMs()) / 1000));
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
