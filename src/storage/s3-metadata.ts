import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import type { ImageId } from "../core/image-id.ts";
import type { ImageRecord } from "./abstract-storage.ts";
import { MAX_RECORD_BYTES, parseRecord } from "./image-record.ts";

/**
 * A record travels in the headers of its picture, so that both are one atomic object: compressed, in base64url
 * (headers are ASCII), in pieces. S3 allows 2 KB of user metadata in all; some servers 256 characters a value.
 */
const PIECE_CHARACTERS = 250;
const MAX_CHARACTERS = 1900;
const MAX_PIECES = Math.ceil(MAX_CHARACTERS / PIECE_CHARACTERS);
/** The default window of 4 MiB costs 40 ms a record to set up, and higher qualities gain next to nothing. */
const WINDOW_BITS = 16;
const QUALITY = 5;
/** Names the save that wrote the object. */
export const TOKEN_NAME = "save";
/** Present when the record is an object of its own. */
export const SPILL_NAME = "spill";

/** The headers' values, or `undefined` when the record does not fit. */
export function packRecord(recordText: string): Record<string, string> | undefined {
  const bytes = Buffer.from(recordText);
  const text = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_QUALITY]: QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  }).toString("base64url");
  if (text.length > MAX_CHARACTERS) return undefined;
  const pieces: Record<string, string> = {};
  for (let start = 0, index = 0; start < text.length; start += PIECE_CHARACTERS, index++) {
    pieces[`m${index}`] = text.slice(start, start + PIECE_CHARACTERS);
  }
  return pieces;
}

/** The record in an object's headers; `undefined` when there is none that is whole and of this image. */
export function unpackRecord(metadata: Readonly<Record<string, string>>, imageId: ImageId): ImageRecord | undefined {
  let text = "";
  for (let index = 0; index < MAX_PIECES; index++) text += metadata[`m${index}`] ?? "";
  if (text === "") return undefined;
  try {
    const bytes = brotliDecompressSync(Buffer.from(text, "base64url"), { maxOutputLength: MAX_RECORD_BYTES });
    return parseRecord(bytes.toString(), imageId);
  } catch {
    return undefined;
  }
}
