import type { JsonObject } from "../core/json.ts";

/** The key of a record under which the maker of its picture stands. */
export const OWNER_KEY = "owner";

/** Who made the picture; `undefined` when nobody had to say who they were. */
export function ownerOf(record: JsonObject): string | undefined {
  const owner = record[OWNER_KEY];
  return typeof owner === "string" ? owner : undefined;
}
