import { SCOPES, type Scope } from "../core/scope.ts";

/** Who calls, as far as it is known, and what they may do. */
export interface Principal {
  /** Owns the pictures that they make; `undefined` for those who need not say who they are. */
  readonly id: string | undefined;
  readonly scopes: ReadonlySet<Scope>;
}

/** One who calls, and what counts as one client. */
export interface Caller {
  readonly principal: Principal;
  /** What limits count by: the principal, else the address of the client. */
  readonly limitId: string;
}

/** Whoever calls a server without authentication, and the person at the other end of stdio: may do everything. */
export const UNNAMED: Principal = { id: undefined, scopes: new Set(SCOPES) };

export function hasScope({ scopes }: Principal, scope: Scope): boolean {
  return scopes.has(scope) || scopes.has("images:admin");
}

/** How a client counts: one for each principal, and for each address of those without a name. */
export function toCaller(principal: Principal, address: string): Caller {
  return { principal, limitId: principal.id ?? `address:${address}` };
}
