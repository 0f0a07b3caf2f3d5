import { systemRandom, type Random } from "./random.ts";

declare const brand: unique symbol;

/** A text that one of the two strict patterns accepted; safe in a path, a key and a URL. */
export type ImageId = string & { readonly [brand]: "ImageId" };

/** Crockford's base 32 in lower case: no i, l, o, u. */
export const ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

const ID_PREFIX = "img_";
const TIME_CHARACTERS = 10;
const RANDOM_CHARACTERS = 16;

/** `img_` and 26 characters: 48 bits of milliseconds (the first is 0..7), then 80 random bits. */
const CURRENT_PATTERN = /^img_[0-7][0-9a-hjkmnp-tv-z]{25}$/;
/** Ids of the earlier flat layout: a UUID, with or without `img_`. */
const LEGACY_PATTERN = /^(?:img_)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export type ParsedImageId =
  | { readonly kind: "current"; readonly id: ImageId; readonly createdAtMs: number }
  /** Of the earlier flat layout; its time is that of its record. */
  | { readonly kind: "legacy"; readonly id: ImageId };

/** A fresh id for the given time. Never monotonic: a neighbour's id tells nothing about it. */
export function createImageId(createdAtMs: number, random: Random = systemRandom): ImageId {
  const bytes = random.bytes((RANDOM_CHARACTERS * 5) / 8);
  let text = "";
  let accumulator = 0;
  let bits = 0;
  for (const byte of bytes) {
    accumulator = (accumulator << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ID_ALPHABET.charAt((accumulator >> bits) & 31);
    }
    accumulator &= (1 << bits) - 1;
  }
  return `${ID_PREFIX}${encodeTime(createdAtMs)}${text}` as ImageId;
}

/** The parsed id, or `undefined` for any other text. Total: never throws. */
export function parseImageId(text: string): ParsedImageId | undefined {
  if (CURRENT_PATTERN.test(text)) {
    return { kind: "current", id: text as ImageId, createdAtMs: decodeTime(text) };
  }
  if (LEGACY_PATTERN.test(text)) return { kind: "legacy", id: text as ImageId };
  return undefined;
}

/** The 10 characters of an id that hold this time. */
export function encodeTime(timeMs: number): string {
  let rest = Math.trunc(timeMs);
  let text = "";
  for (let i = 0; i < TIME_CHARACTERS; i++) {
    text = ID_ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function decodeTime(id: string): number {
  let timeMs = 0;
  for (const character of id.slice(ID_PREFIX.length, ID_PREFIX.length + TIME_CHARACTERS)) {
    timeMs = timeMs * 32 + ID_ALPHABET.indexOf(character);
  }
  return timeMs;
}
