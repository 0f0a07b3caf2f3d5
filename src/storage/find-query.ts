import { ValidationError } from "../core/errors.ts";
import { encodeTime, ID_ALPHABET, parseImageId, type ParsedImageId } from "../core/image-id.ts";
import { DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT, type FindImagesQuery } from "./abstract-storage.ts";

/** A query whose every part was checked. */
export interface ParsedQuery {
  readonly prefix: string;
  readonly limit: number;
  readonly cursor: ParsedImageId | undefined;
  /** Pictures created at or before this time are left out. */
  readonly createdAfterMs: number;
  /** What the prompt must hold, as `toSearchable` writes it; empty when everything is wanted. */
  readonly words: readonly string[];
  /** The times that an id with this prefix can have; `undefined` when no current id has this prefix. */
  readonly timeRange: { readonly firstMs: number; readonly lastMs: number } | undefined;
  /** False when no id of any form has this prefix: nothing needs to be looked at. */
  readonly canMatch: boolean;
}

/** As many time characters as an id has. */
const TIME_CHARACTERS = encodeTime(0).length;
const LAST_ID_TIME_MS = 2 ** 48 - 1;
export const MAX_TEXT_CHARACTERS = 200;
const LEGACY_PREFIX = /^(?:img_)?[0-9a-f-]{0,36}$/;

/** @throws {ValidationError} `invalid_argument` for a limit outside 1..1000, a cursor that no listing gave, or a long text */
export function parseQuery(query: FindImagesQuery): ParsedQuery {
  const { prefix = "", limit = DEFAULT_LIST_LIMIT, createdAfterMs = Number.NEGATIVE_INFINITY } = query;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LIST_LIMIT) {
    throw invalidField("limit", `limit must be an integer in 1..${MAX_LIST_LIMIT}`);
  }
  if (Number.isNaN(createdAfterMs)) throw invalidField("createdAfterMs", "createdAfterMs must be a number");
  const cursor = query.cursor === undefined ? undefined : parseImageId(query.cursor);
  if (query.cursor !== undefined && cursor === undefined) {
    throw invalidField("cursor", "cursor must be one that a listing gave");
  }
  const timeRange = toTimeRange(prefix);
  const canMatch = timeRange !== undefined || LEGACY_PREFIX.test(prefix);
  return { prefix, limit, cursor, createdAfterMs, words: parseWords(query.text ?? ""), timeRange, canMatch };
}

/** The time before which pictures are expired. @throws {ValidationError} `invalid_argument` for a negative TTL */
export function toCutoffMs(nowMs: number, ttlSeconds: number): number {
  if (!(ttlSeconds >= 0)) throw invalidField("ttlSeconds", "ttlSeconds must not be negative");
  return nowMs - ttlSeconds * 1000;
}

/** The text as words are looked for in it: whatever the case and the form of its characters. */
export function toSearchable(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

function parseWords(text: string): string[] {
  if (text.length > MAX_TEXT_CHARACTERS) {
    throw invalidField("text", `text must have at most ${MAX_TEXT_CHARACTERS} characters`);
  }
  return toSearchable(text)
    .split(/\s+/u)
    .filter((word) => word !== "");
}

function toTimeRange(prefix: string): ParsedQuery["timeRange"] {
  if ("img_".startsWith(prefix)) return { firstMs: 0, lastMs: LAST_ID_TIME_MS };
  if (!/^img_[0-7][0-9a-hjkmnp-tv-z]{0,25}$/.test(prefix)) return undefined;
  const known = prefix.slice(4, 4 + TIME_CHARACTERS);
  return {
    firstMs: toTimeMs(known.padEnd(TIME_CHARACTERS, "0")),
    lastMs: toTimeMs(known.padEnd(TIME_CHARACTERS, "z")),
  };
}

function toTimeMs(characters: string): number {
  let timeMs = 0;
  for (const character of characters) timeMs = timeMs * 32 + ID_ALPHABET.indexOf(character);
  return timeMs;
}

function invalidField(field: string, message: string): ValidationError {
  return new ValidationError("invalid_argument", `Cannot use a storage query: ${message}`, {
    publicMessage: message,
    details: { field },
  });
}
