import { AccessPolicy } from "../access/access-policy.ts";
import { ApiKeys } from "../access/api-keys.ts";
import { OAuthVerifier } from "../access/oauth-verifier.ts";
import type { TokenVerifier } from "../access/token-verifier.ts";
import type { AccessSettings, AuthSettings } from "../config/settings.ts";

/** Who may do what, as the settings say. Does no I/O. */
export function createAccessPolicy({ auth, sharing }: AccessSettings): AccessPolicy {
  const verifier = createVerifier(auth);
  return new AccessPolicy({ sharing, ...(verifier && { verifier }) });
}

function createVerifier(auth: AuthSettings): TokenVerifier | undefined {
  switch (auth.mode) {
    case "none":
      return undefined;
    case "token":
      return new ApiKeys(auth.keys);
    case "oauth":
      return new OAuthVerifier(auth);
  }
}
