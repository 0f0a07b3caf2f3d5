import type { AccessPolicy } from "../access/access-policy.ts";
import type { Clock } from "../core/clock.ts";
import { MCPImageError } from "../core/errors.ts";
import type { ImageId } from "../core/image-id.ts";
import type { UrlSigner } from "../core/url-signer.ts";
import type { Exchange } from "./exchange.ts";
import { toCacheControl, type PictureHead } from "./picture-head.ts";

export interface PictureAccessOptions {
  readonly policy: AccessPolicy;
  /** With one, a picture is given to whoever has its signed address, and not to whoever merely knows its id. */
  readonly signer: UrlSigner | undefined;
  readonly clock: Clock;
}

/** `granted`: the bytes, not the metadata. `ask`: the caller has to say who they are. */
export type PictureVerdict = "granted" | "ask" | MCPImageError;

/** Who may have the bytes of a picture. */
export class PictureAccess {
  readonly #options: PictureAccessOptions;

  constructor(options: PictureAccessOptions) {
    this.#options = options;
  }

  /** Looks at the address alone. Notes in the exchange until when a signed one holds. */
  check(exchange: Exchange, imageId: ImageId, query: string): PictureVerdict {
    const { policy, signer, clock } = this.#options;
    if (signer === undefined) return policy.opensPictures ? "granted" : "ask";
    const verdict = signer.verify(imageId, query, clock.nowMs());
    switch (verdict.kind) {
      case "valid":
        exchange.signedUntilMs = verdict.expiresAtMs;
        return "granted";
      case "wrong":
        return new MCPImageError("url_signature_invalid", "The signature of an address is wrong");
      case "expired":
        return new MCPImageError("url_expired", "A signed address has expired");
      case "unsigned":
        return policy.isOpen ? new MCPImageError("url_signature_invalid", "An address is not signed") : "ask";
    }
  }

  /** A picture that the caller may not see is not there. */
  maySee({ caller, signedUntilMs }: Exchange, { owner }: PictureHead): boolean {
    const { policy, signer } = this.#options;
    if (signedUntilMs !== undefined || (signer === undefined && policy.opensPictures)) return true;
    return policy.maySee(caller.principal, owner);
  }

  /** What caches may do with the picture, or with another form of it: keep it no longer than its address holds. */
  toCacheControl(
    { signedUntilMs = Infinity }: Exchange,
    head: PictureHead,
    most: "public" | "private" = "public",
  ): string {
    const { policy, signer, clock } = this.#options;
    const expiresAtMs = Math.min(head.expiresAtMs, signedUntilMs);
    return toCacheControl(expiresAtMs, clock.nowMs(), policy.isOpen && signer === undefined ? most : "private");
  }
}
