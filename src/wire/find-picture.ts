import { sniffImageFormat } from "../core/image-format.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { decodeBase64 } from "./base64.ts";
import { PICTURE_PLACEHOLDER } from "./picture-scanner.ts";

/** `damaged`: there is a picture, but its base64 is not whole. */
export type FoundPicture = { readonly kind: "picture"; readonly imageData: Buffer } | { readonly kind: "damaged" };

const MAX_DEPTH = 12;
const MAX_NODES = 10_000;
/** The smallest picture of any accepted format is longer. */
const MIN_CHARACTERS = 32;
/** Enough base64 to see the magic bytes. */
const SNIFFED_CHARACTERS = 64;
/** A text under one of these is meant to be a picture, whatever it looks like. */
const PICTURE_KEYS: ReadonlySet<string> = new Set(["b64", "image_b64", "image_data", "b64_json"]);
/** Where runtimes put pictures, the most telling first; other keys follow in their own order. */
const PREFERRED_KEYS = ["predictions", "image", ...PICTURE_KEYS, "images", "data", "outputs", "instances"];
const DATA_URL = /^data:image\/[a-z0-9.+-]+;base64,/i;

/**
 * The first picture in a JSON document of any shape that runtimes are known to answer with: base64 text, plain, wrapped
 * in lines, as a data URL or as Python's `b'…'`, at most 12 levels deep and among the first 10,000 values.
 *
 * @param scannedPicture what `PICTURE_PLACEHOLDER` stands for
 */
export function findPicture(document: JsonValue, scannedPicture: Buffer | undefined): FoundPicture | undefined {
  let nodes = 0;
  let damaged: FoundPicture | undefined;

  const visit = (value: JsonValue, depth: number, key: string | undefined): FoundPicture | undefined => {
    nodes += 1;
    if (nodes > MAX_NODES || depth > MAX_DEPTH) return undefined;
    if (typeof value === "string") {
      const found = readPictureText(value, key, scannedPicture);
      if (found?.kind !== "damaged") return found;
      damaged ??= found;
    } else if (isJsonObject(value)) {
      for (const [childKey, child] of preferredFirst(value)) {
        const found = visit(child, depth + 1, childKey);
        if (found) return found;
      }
    } else if (Array.isArray(value)) {
      for (const child of value) {
        const found = visit(child, depth + 1, key);
        if (found) return found;
        if (nodes > MAX_NODES) return undefined;
      }
    }
    return undefined;
  };

  return visit(document, 0, undefined) ?? damaged;
}

function readPictureText(
  text: string,
  key: string | undefined,
  scannedPicture: Buffer | undefined,
): FoundPicture | undefined {
  if (text === PICTURE_PLACEHOLDER && scannedPicture) return { kind: "picture", imageData: scannedPicture };
  if (text.length < MIN_CHARACTERS) return undefined;
  const base64 = toPlainBase64(text);
  const isMeant = key !== undefined && PICTURE_KEYS.has(key);
  const start = decodeBase64(base64.slice(0, SNIFFED_CHARACTERS));
  if (!isMeant && (start === undefined || sniffImageFormat(start) === undefined)) return undefined;
  const imageData = decodeBase64(base64);
  return imageData ? { kind: "picture", imageData } : { kind: "damaged" };
}

function toPlainBase64(text: string): string {
  const unquoted = text.startsWith("b'") && text.endsWith("'") ? text.slice(2, -1) : text;
  const base64 = unquoted.startsWith("data:") ? unquoted.replace(DATA_URL, "") : unquoted;
  return base64.includes("\n") ? base64.replace(/[\r\n]+/g, "") : base64;
}

function preferredFirst(object: Readonly<Record<string, JsonValue>>): [string, JsonValue][] {
  const rank = (key: string): number => {
    const index = PREFERRED_KEYS.indexOf(key);
    return index === -1 ? PREFERRED_KEYS.length : index;
  };
  return Object.entries(object)
    .slice(0, MAX_NODES)
    .sort(([left], [right]) => rank(left) - rank(right));
}
