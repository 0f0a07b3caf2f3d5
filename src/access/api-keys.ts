import { hash, timingSafeEqual } from "node:crypto";
import type { Scope } from "../core/scope.ts";
import type { Principal } from "./principal.ts";
import type { TokenVerifier } from "./token-verifier.ts";

/** A key of an API client, of which only the digest is kept. */
export interface ApiKey {
  readonly name: string;
  /** SHA-256 of the key. */
  readonly digest: Uint8Array;
  readonly scopes: readonly Scope[];
}

interface KnownKey {
  readonly digest: Uint8Array;
  readonly principal: Principal;
}

/** Static keys. The time that a look-up takes tells nothing of the keys: digests are compared, and always all. */
export class ApiKeys implements TokenVerifier {
  readonly #keys: readonly KnownKey[];

  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys.map(({ name, digest, scopes }) => ({
      digest,
      principal: { id: `key:${name}`, scopes: new Set(scopes) },
    }));
  }

  async verify(token: string): Promise<Principal | undefined> {
    const digest = hash("sha256", token, "buffer");
    let found: Principal | undefined;
    for (const key of this.#keys) if (timingSafeEqual(key.digest, digest)) found = key.principal;
    return found;
  }
}
