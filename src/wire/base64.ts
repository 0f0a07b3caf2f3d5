const OUTSIDE_ALPHABET = /[^A-Za-z0-9+/]/;

/**
 * The bytes of a base64 text, or `undefined` when its alphabet, length or padding is wrong (RFC 4648, section 4).
 * NOTE: `Buffer.from(text, "base64")` never fails: it skips what it does not know and accepts the URL-safe alphabet.
 */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || OUTSIDE_ALPHABET.test(text.slice(0, text.length - countPadding(text)))) return undefined;
  return Buffer.from(text, "base64");
}

/** How many `=` (0, 1 or 2) end the text. */
export function countPadding(text: string): 0 | 1 | 2 {
  if (text.endsWith("==")) return 2;
  return text.endsWith("=") ? 1 : 0;
}
