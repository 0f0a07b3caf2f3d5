import type { JWTPayload, JWTVerifyGetKey } from "jose";
import { MCPImageError } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";
import { toScopes } from "../core/scope.ts";
import { getLogger } from "../logging/logger.ts";
import type { Principal } from "./principal.ts";
import type { TokenVerifier } from "./token-verifier.ts";

export interface OAuthVerifierOptions {
  /** Exactly as it stands in tokens. */
  readonly issuer: string;
  /** Default: what the issuer's metadata says. */
  readonly jwksUrl?: string | undefined;
  /** A token must be for one of these. */
  readonly audience: readonly string[];
  readonly algorithms: readonly string[];
  readonly clockSkewSeconds: number;
}

const REQUEST_TIMEOUT_MS = 5_000;
const MAX_METADATA_CHARACTERS = 256 * 1024;
const MAX_SUBJECT_CHARACTERS = 255;
/** Types of tokens that give access; a DPoP proof or a logout token of the same issuer does not. */
const ACCESS_TYPES: ReadonlySet<string> = new Set(["jwt", "at+jwt", "application/at+jwt"]);
/** What is wrong with a token, as against with the way to the issuer. */
const TOKEN_FAULTS: ReadonlySet<string> = new Set([
  "ERR_JOSE_ALG_NOT_ALLOWED",
  "ERR_JOSE_NOT_SUPPORTED",
  "ERR_JWKS_MULTIPLE_MATCHING_KEYS",
  "ERR_JWKS_NO_MATCHING_KEY",
  "ERR_JWS_INVALID",
  "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
  "ERR_JWT_CLAIM_VALIDATION_FAILED",
  "ERR_JWT_EXPIRED",
  "ERR_JWT_INVALID",
]);

const logger = getLogger("access");

/** Access tokens of an OAuth 2.1 issuer: signed JWTs, checked with the issuer's public keys. */
export class OAuthVerifier implements TokenVerifier {
  readonly #options: OAuthVerifierOptions;
  #keys: Promise<JWTVerifyGetKey> | undefined;

  constructor(options: OAuthVerifierOptions) {
    this.#options = options;
  }

  async verify(token: string): Promise<Principal | undefined> {
    const { issuer, audience, algorithms, clockSkewSeconds } = this.#options;
    try {
      const { jwtVerify } = await import("jose");
      const { payload, protectedHeader } = await jwtVerify(token, await this.#getKeys(), {
        issuer,
        audience: [...audience],
        algorithms: [...algorithms],
        clockTolerance: clockSkewSeconds,
        requiredClaims: ["exp", "sub"],
      });
      if (!ACCESS_TYPES.has((protectedHeader.typ ?? "JWT").toLowerCase())) return undefined;
      return toPrincipal(payload);
    } catch (error) {
      if (isTokenFault(error)) {
        logger.debug("token_refused", { error });
        return undefined;
      }
      logger.error("token_not_checked", { error });
      throw new MCPImageError("authorization_unavailable", "Cannot check the token", { cause: error });
    }
  }

  /** The keys are asked for at the first token, cached, and asked for again when a token names an unknown one. */
  async #getKeys(): Promise<JWTVerifyGetKey> {
    this.#keys ??= this.#loadKeys().catch((error: unknown) => {
      this.#keys = undefined;
      throw error;
    });
    return this.#keys;
  }

  async #loadKeys(): Promise<JWTVerifyGetKey> {
    const { createRemoteJWKSet } = await import("jose");
    const { issuer, jwksUrl } = this.#options;
    const url = jwksUrl ?? (await findJwksUrl(issuer));
    return createRemoteJWKSet(new URL(url), { timeoutDuration: REQUEST_TIMEOUT_MS });
  }
}

function isTokenFault(error: unknown): boolean {
  return error instanceof Error && "code" in error && TOKEN_FAULTS.has(String(error.code));
}

function toPrincipal({ sub, scope, scp, roles }: JWTPayload): Principal | undefined {
  if (typeof sub !== "string" || sub === "" || sub.length > MAX_SUBJECT_CHARACTERS) return undefined;
  return { id: `oauth:${sub}`, scopes: toScopes([scope, scp, roles].flatMap((claim) => toWords(claim))) };
}

/** A text of words with spaces between, or a list of them. */
function toWords(claim: unknown): readonly string[] {
  if (typeof claim === "string") return claim.split(" ");
  return Array.isArray(claim) ? claim.filter((word) => typeof word === "string") : [];
}

/** Where the issuer's keys are, by its metadata: RFC 8414, or OpenID Connect Discovery. */
async function findJwksUrl(issuer: string): Promise<string> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/+$/, "");
  const places = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
  let cause: unknown;
  for (const place of places) {
    try {
      const response = await fetch(place, { redirect: "error", signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
      const text = await response.text();
      if (response.status !== 200 || text.length > MAX_METADATA_CHARACTERS) {
        throw new Error(`The answer has status ${response.status} and ${text.length} characters`);
      }
      const metadata: unknown = JSON.parse(text);
      const url = isJsonObject(metadata) && metadata["issuer"] === issuer ? metadata["jwks_uri"] : undefined;
      if (typeof url === "string") return url;
      throw new Error("The metadata is not of this issuer, or names no keys");
    } catch (error) {
      cause = error;
    }
  }
  throw new Error(`Cannot find the keys of ${issuer}`, { cause });
}
