import { MCPImageError } from "../core/errors.ts";
import type { Scope } from "../core/scope.ts";
import { hasScope, UNNAMED, type Principal } from "./principal.ts";
import type { TokenVerifier } from "./token-verifier.ts";

/**
 * Who may see the pictures of others: nobody; whoever knows the URL (the picture alone, never its metadata, and no
 * lists); or everybody who may read at all.
 */
export type Sharing = "private" | "link" | "shared";

export interface AccessPolicyOptions {
  /** Without one nobody has to say who they are, and everybody may do everything. */
  readonly verifier?: TokenVerifier;
  readonly sharing?: Sharing;
}

const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;
const BASIC = /^Basic +([A-Za-z0-9+/]+=*) *$/i;
const MAX_TOKEN_CHARACTERS = 8_192;

/** Who may do what: the one answer for MCP, HTTP and every page and door. */
export class AccessPolicy {
  readonly sharing: Sharing;
  readonly #verifier: TokenVerifier | undefined;

  constructor(options: AccessPolicyOptions = {}) {
    this.#verifier = options.verifier;
    this.sharing = options.sharing ?? "private";
  }

  /** True when nobody has to say who they are. */
  get isOpen(): boolean {
    return this.#verifier === undefined;
  }

  /**
   * Whose request this is, by its `Authorization` header.
   *
   * @throws {MCPImageError} `unauthorized`, `authorization_unavailable`
   */
  async authenticate(authorization: string | undefined): Promise<Principal> {
    if (this.#verifier === undefined) return UNNAMED;
    if (authorization === undefined) throw unauthorized("no token");
    const token = toToken(authorization);
    if (token === undefined || token.length > MAX_TOKEN_CHARACTERS) throw unauthorized("no token that has its form");
    const principal = await this.#verifier.verify(token);
    if (principal === undefined) throw unauthorized("the token is not valid");
    return principal;
  }

  /** True when a picture, though nothing else, is given to whoever knows its URL. */
  get opensPictures(): boolean {
    return this.isOpen || this.sharing === "link";
  }

  /** @throws {MCPImageError} `insufficient_scope` */
  require(principal: Principal, scope: Scope): void {
    if (!hasScope(principal, scope)) throw lackOf(scope);
  }

  /** Whether this caller may learn that a picture of this owner is there. */
  maySee(principal: Principal, owner: string | undefined): boolean {
    return this.sharing === "shared" || this.isOwn(principal, owner);
  }

  /** Whether this caller may do with a picture of this owner whatever their scopes allow. */
  isOwn(principal: Principal, owner: string | undefined): boolean {
    if (this.isOpen || principal.scopes.has("images:admin")) return true;
    return owner !== undefined && owner === principal.id;
  }
}

/** The token of a client, or of a person: browsers ask for a name and a password, and the password is the token. */
function toToken(authorization: string): string | undefined {
  if (authorization.length > 2 * MAX_TOKEN_CHARACTERS) return undefined;
  const [, bearer] = BEARER.exec(authorization) ?? [];
  if (bearer !== undefined) return bearer;
  const [, encoded = ""] = BASIC.exec(authorization) ?? [];
  const pair = Buffer.from(encoded, "base64").toString("latin1");
  return BEARER.exec(`Bearer ${pair.slice(pair.indexOf(":") + 1)}`)?.[1];
}

export function lackOf(scope: Scope): MCPImageError {
  return new MCPImageError("insufficient_scope", `The caller lacks the scope ${scope}`, {
    publicMessage: `This needs the scope ${scope}, which the token does not have`,
    details: { required_scope: scope },
  });
}

function unauthorized(reason: string): MCPImageError {
  return new MCPImageError("unauthorized", `The request is not authenticated: ${reason}`);
}
