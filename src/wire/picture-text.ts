import { sniffImageFormat } from "../core/image-format.ts";
import type { JsonValue } from "../core/json.ts";
import { decodeLooseBase64 } from "./base64.ts";
import { parseJson } from "./parse-json.ts";

/** What a text in an answer turned out to be; `damaged`: meant to be a picture, but its base64 is not whole. */
export type TextContent =
  | { readonly kind: "picture"; readonly imageData: Buffer }
  | { readonly kind: "json"; readonly document: JsonValue }
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "damaged" };

/** The smallest picture of any accepted format is longer. */
const MIN_CHARACTERS = 32;
/** Enough base64 to see the magic bytes, even with line ends in it. */
const SNIFFED_CHARACTERS = 64;
const MAX_URL_CHARACTERS = 2048;
/** A text under one of these is meant to be a picture, whatever it looks like. */
const PICTURE_KEYS: ReadonlySet<string> = new Set(["b64", "image_b64", "image_data", "b64_json"]);
const DATA_URL = /^data:image\/[a-z0-9.+-]{1,40}(?:;[a-z0-9=._-]{1,80}){0,8};base64,/i;

/** Reads a text that may be a picture in base64, plain, as a data URL or as Python's `b'…'`, or JSON, or a URL. */
export function readPictureText(text: string, key: string | undefined): TextContent | undefined {
  if (/^\s*[[{"]/.test(text)) {
    const document = parseJson(text);
    if (document !== undefined) return { kind: "json", document };
  }
  if (key !== undefined && /url$/i.test(key) && isUrl(text)) return { kind: "url", url: text };
  if (text.length < MIN_CHARACTERS) return undefined;
  const base64 = toPlainBase64(text);
  const start = decodeLooseBase64(toSample(base64));
  const isMeant = (key !== undefined && PICTURE_KEYS.has(key)) || DATA_URL.test(text);
  if (!isMeant && (start === undefined || sniffImageFormat(start) === undefined)) return undefined;
  const imageData = decodeLooseBase64(base64);
  return imageData ? { kind: "picture", imageData } : { kind: "damaged" };
}

function toPlainBase64(text: string): string {
  const trimmed = text.trim();
  const isLiteral = /^b['"]/.test(trimmed) && trimmed.length > 2 && trimmed.at(-1) === trimmed[1];
  const unquoted = isLiteral ? trimmed.slice(2, -1) : trimmed;
  return unquoted.startsWith("data:") || unquoted.startsWith("DATA:") ? unquoted.replace(DATA_URL, "") : unquoted;
}

/** Whole groups of the beginning, so that a sample of longer base64 is base64 itself. */
function toSample(base64: string): string {
  const compact = base64.slice(0, SNIFFED_CHARACTERS).replace(/\s+/g, "");
  return compact.slice(0, compact.length - (compact.length % 4));
}

function isUrl(text: string): boolean {
  return text.length <= MAX_URL_CHARACTERS && /^(?:https?:\/\/|\/)[^\s\\]+$/i.test(text);
}
