/**
 * The bytes of a base64 text, or `undefined` when its alphabet, length or padding is wrong (RFC 4648, section 4).
 * NOTE: Node's decoder never fails. It skips characters that it does not know, so a short result tells of them; it
 * takes "-" and "_" for "+" and "/", and sees only the low byte of a character, so these are looked for beforehand.
 */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || Buffer.byteLength(text) !== text.length || hasUrlSafeCharacter(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === (text.length / 4) * 3 - countPadding(text) ? bytes : undefined;
}

/** Base64 as runtimes write it: of either alphabet, perhaps in lines, perhaps without its padding. */
export function decodeLooseBase64(text: string): Buffer | undefined {
  const compact = /\s/.test(text) ? text.replace(/\s+/g, "") : text;
  const standard = hasUrlSafeCharacter(compact) ? compact.replaceAll("-", "+").replaceAll("_", "/") : compact;
  return decodeBase64(standard + "=".repeat((4 - (standard.length % 4)) % 4));
}

/** How many `=` (0, 1 or 2) end the text. */
export function countPadding(text: string): 0 | 1 | 2 {
  if (text.endsWith("==")) return 2;
  return text.endsWith("=") ? 1 : 0;
}

/** Whether the text uses the other alphabet of RFC 4648, section 5. */
export function hasUrlSafeCharacter(text: string): boolean {
  return text.includes("-") || text.includes("_");
}
