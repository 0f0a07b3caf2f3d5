import type { Principal } from "./principal.ts";

/** Knows whose a bearer token is. */
export interface TokenVerifier {
  /**
   * Whose the token is, or `undefined` when it is not valid.
   *
   * @throws {MCPImageError} `authorization_unavailable` when nobody can tell now
   */
  verify(token: string): Promise<Principal | undefined>;
}
