/** What a caller may be allowed to do; `images:admin` allows everything, and to everybody's pictures. */
export const SCOPES = ["images:generate", "images:read", "images:delete", "images:admin"] as const;

export type Scope = (typeof SCOPES)[number];

/** The scopes among these words; words that are none of ours are left out. */
export function toScopes(words: readonly string[]): ReadonlySet<Scope> {
  return new Set(SCOPES.filter((scope) => words.includes(scope)));
}
