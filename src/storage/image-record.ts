import { hash } from "node:crypto";
import { ValidationError } from "../core/errors.ts";
import { IMAGE_FORMATS, sniffImageFormat, type ImageFormat } from "../core/image-format.ts";
import { parseImageId, type ImageId } from "../core/image-id.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { ImageRecord } from "./abstract-storage.ts";

/** Bytes of JSON that a record may have; a prompt is some thousand. */
export const MAX_RECORD_BYTES = 1024 * 1024;

/** A picture that passed every check of `saveImage` and waits for its driver to write it. */
export interface NewImage {
  readonly id: ImageId;
  readonly createdAtMs: number;
  readonly imageData: Buffer;
  readonly record: ImageRecord;
  /** The record as JSON. */
  readonly recordText: string;
}

/**
 * Checks what a caller wants to save.
 *
 * @throws {ValidationError} `invalid_image_id`, `image_invalid`, `invalid_argument` for metadata over `MAX_RECORD_BYTES`
 */
export function prepareImage(imageData: Uint8Array, imageId: string, metadata: JsonObject): NewImage {
  const parsed = parseImageId(imageId);
  if (parsed?.kind !== "current") {
    throw new ValidationError("invalid_image_id", "Cannot save an image: its id was not made by createImageId");
  }
  const format = sniffImageFormat(imageData);
  if (format === undefined) {
    throw new ValidationError("image_invalid", `Cannot save image "${parsed.id}": it is not PNG, JPEG or WebP`);
  }
  const bytes = Buffer.from(imageData.buffer, imageData.byteOffset, imageData.byteLength);
  const facts = describeImage(parsed.id, parsed.createdAtMs, bytes, format);
  const recordText = JSON.stringify({ ...withoutKept(metadata), ...facts });
  if (Buffer.byteLength(recordText) > MAX_RECORD_BYTES) {
    throw new ValidationError("invalid_argument", `Cannot save image "${parsed.id}": its metadata is too large`, {
      publicMessage: "The metadata of the picture is too large",
      details: { field: "metadata", max_bytes: MAX_RECORD_BYTES },
    });
  }
  const record = parseRecord(recordText, parsed.id);
  if (record === undefined) throw new TypeError("A record does not read back");
  return { id: parsed.id, createdAtMs: parsed.createdAtMs, imageData: bytes, record, recordText };
}

/** The record in this JSON, deeply frozen; `undefined` unless it is whole and of this image. */
export function parseRecord(text: string, imageId: ImageId): ImageRecord | undefined {
  const document = withoutKept(parseJsonObject(text) ?? {});
  return isRecordOf(document, imageId) ? deepFreeze(document) : undefined;
}

/** The record as it is told while the picture is kept. */
export function toKeptRecord(record: ImageRecord): ImageRecord {
  return Object.freeze({ ...record, kept: true });
}

/** The record of a picture whose own record is missing, broken or of an earlier form; keeps what `text` still says. */
export function recoverRecord(
  imageId: ImageId,
  createdAtMs: number,
  imageData: Buffer,
  text: string,
): ImageRecord | undefined {
  const format = sniffImageFormat(imageData);
  if (format === undefined) return undefined;
  const document = {
    ...withoutKept(parseJsonObject(text) ?? {}),
    ...describeImage(imageId, createdAtMs, imageData, format),
  };
  return deepFreeze(document);
}

/** The JSON object in this text, or `undefined`. */
export function parseJsonObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a picture is kept is told by where it lies, never by its document. */
function withoutKept(document: JsonObject): JsonObject {
  if (!Object.hasOwn(document, "kept")) return document;
  const { kept: _kept, ...rest } = document;
  return rest;
}

function describeImage(imageId: ImageId, createdAtMs: number, imageData: Buffer, format: ImageFormat): ImageRecord {
  return {
    image_id: imageId,
    created_at: new Date(createdAtMs).toISOString(),
    size: imageData.length,
    format,
    sha256: hash("sha256", imageData, "hex"),
  };
}

function isRecordOf(document: JsonObject, imageId: ImageId): document is ImageRecord {
  const { image_id: id, created_at: createdAt, size, format, sha256, kept } = document;
  return (
    kept === undefined &&
    id === imageId &&
    typeof createdAt === "string" &&
    !Number.isNaN(Date.parse(createdAt)) &&
    Number.isSafeInteger(size) &&
    typeof format === "string" &&
    Object.hasOwn(IMAGE_FORMATS, format) &&
    typeof sha256 === "string" &&
    /^[0-9a-f]{64}$/.test(sha256)
  );
}

/** Records are shared by a cache: nobody may change one. */
function deepFreeze<Value extends JsonValue>(value: Value): Value {
  if (typeof value === "object" && value !== null) {
    for (const part of Object.values<JsonValue>(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
