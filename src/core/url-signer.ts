import { createHmac, timingSafeEqual } from "node:crypto";
import type { ImageId } from "./image-id.ts";
import type { Secret } from "./secret.ts";

/** What the query of an address says: nothing, until when it holds, or that it does not. */
export type UrlVerdict =
  | { readonly kind: "unsigned" | "wrong" | "expired" }
  | { readonly kind: "valid"; readonly expiresAtMs: number };

const UNSIGNED: UrlVerdict = { kind: "unsigned" };
const WRONG: UrlVerdict = { kind: "wrong" };
const EXPIRED: UrlVerdict = { kind: "expired" };

const SECONDS = /^[1-9]\d{0,11}$/;
/** Names the purpose, so that nothing that is signed with the same key for another one counts here. */
const PURPOSE = "mcp-image-server picture";

/** Signs the addresses of pictures. The first key signs; all of them are accepted, so that keys can be changed. */
export class UrlSigner {
  readonly #keys: readonly Secret[];

  constructor(keys: readonly Secret[]) {
    this.#keys = keys;
  }

  /** The query that makes the address of this picture hold until then. */
  sign(imageId: ImageId | string, expiresAtMs: number): string {
    const [key] = this.#keys;
    if (key === undefined) throw new TypeError("There is no key to sign with");
    const expires = String(Math.floor(expiresAtMs / 1000));
    return `expires=${expires}&signature=${toSignature(key, imageId, expires).toString("base64url")}`;
  }

  /** Looks at the signature first: whoever has none learns nothing of the time. */
  verify(imageId: ImageId, query: string, nowMs: number): UrlVerdict {
    if (!query.includes("signature=") && !query.includes("expires=")) return UNSIGNED;
    const parameters = new URLSearchParams(query);
    const [expires = "", ...moreExpires] = parameters.getAll("expires");
    const [signature = "", ...moreSignatures] = parameters.getAll("signature");
    if (moreExpires.length + moreSignatures.length > 0 || !SECONDS.test(expires)) return WRONG;
    const given = Buffer.from(signature, "base64url");
    const isOurs = this.#keys.reduce(
      (found, key) => isEqual(toSignature(key, imageId, expires), given) || found,
      false,
    );
    if (!isOurs || given.toString("base64url") !== signature) return WRONG;
    const expiresAtMs = Number(expires) * 1000;
    return expiresAtMs > nowMs ? { kind: "valid", expiresAtMs } : EXPIRED;
  }
}

function toSignature(key: Secret, imageId: string, expires: string): Buffer {
  return createHmac("sha256", key.reveal()).update(`${PURPOSE}\n${imageId}\n${expires}`).digest();
}

function isEqual(expected: Buffer, given: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}
