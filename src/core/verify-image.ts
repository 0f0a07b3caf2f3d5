import { ValidationError } from "./errors.ts";
import { sniffImageFormat, type ImageFormat } from "./image-format.ts";
import { readPngChunks } from "./png.ts";

export interface VerifiedImage {
  readonly format: ImageFormat;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/**
 * Checks that the bytes are one whole picture from the first to the last, and nothing else.
 * PNG: every chunk and its CRC. JPEG: every segment up to the end marker. WebP: every RIFF chunk.
 * A truncated file, flipped bits in a PNG, and a picture with something appended are all refused.
 *
 * @throws {ValidationError} `image_invalid` with the reason
 */
export function verifyImage(bytes: Uint8Array): VerifiedImage {
  const format = sniffImageFormat(bytes);
  switch (format) {
    case "png":
      return { format, ...sized(readPngSize(bytes)) };
    case "jpeg":
      return { format, ...sized(readJpegSize(bytes)) };
    case "webp":
      return { format, ...sized(readWebpSize(bytes)) };
    case undefined:
      throw invalid("it is not a PNG, JPEG or WebP file");
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function readPngSize(bytes: Uint8Array): Size {
  const [header] = readPngChunks(bytes);
  const view = viewOf(bytes);
  const start = header?.dataStart ?? 0;
  return { width: view.getUint32(start), height: view.getUint32(start + 4) };
}

/** Walks the segments of ITU-T T.81, annex B: markers up to EOI, entropy-coded data in between. */
function readJpegSize(bytes: Uint8Array): Size {
  const view = viewOf(bytes);
  let size: Size | undefined;
  let offset = 2;
  while (offset + 2 <= bytes.length) {
    if (bytes[offset] !== 0xff) throw invalid("a JPEG marker is missing");
    const marker = bytes[offset + 1] ?? 0;
    if (marker === 0xff) {
      offset += 1;
      continue;
    }
    if (marker === 0xd9) {
      if (offset + 2 !== bytes.length) throw invalid("there is data behind the end of the picture");
      if (size === undefined) throw invalid("the JPEG has no frame");
      return size;
    }
    if (offset + 4 > bytes.length) break;
    const length = view.getUint16(offset + 2);
    if (length < 2 || offset + 2 + length > bytes.length) throw invalid("a JPEG segment is cut off");
    if (isStartOfFrame(marker)) {
      if (length < 8) throw invalid("the JPEG frame header is cut off");
      size = { height: view.getUint16(offset + 5), width: view.getUint16(offset + 7) };
    }
    offset += 2 + length;
    if (marker === 0xda) offset = skipEntropyCodedData(bytes, offset);
  }
  throw invalid("the end of the picture is missing");
}

/** SOF0..SOF15 without DHT (C4), JPG (C8) and DAC (CC). */
function isStartOfFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** The offset of the next marker that is neither a stuffed zero nor a restart marker. */
function skipEntropyCodedData(bytes: Uint8Array, start: number): number {
  let offset = bytes.indexOf(0xff, start);
  while (offset !== -1 && offset + 1 < bytes.length) {
    const next = bytes[offset + 1] ?? 0;
    if (next !== 0 && !(next >= 0xd0 && next <= 0xd7)) return offset;
    offset = bytes.indexOf(0xff, offset + 2);
  }
  throw invalid("the end of the picture is missing");
}

/** Walks the RIFF chunks of RFC 9649, section 2. */
function readWebpSize(bytes: Uint8Array): Size {
  const view = viewOf(bytes);
  const total = view.getUint32(4, true) + 8;
  if (total + (total % 2) !== bytes.length && total !== bytes.length) {
    throw invalid(total > bytes.length ? "the WebP file is cut off" : "there is data behind the end of the picture");
  }
  let size: Size | undefined;
  let hasPixels = false;
  let offset = 12;
  while (offset < total) {
    if (offset + 8 > total) throw invalid("a WebP chunk is cut off");
    const type = String.fromCharCode(...bytes.subarray(offset, offset + 4));
    const length = view.getUint32(offset + 4, true);
    const data = offset + 8;
    if (data + length > total) throw invalid("a WebP chunk is cut off");
    if (type === "VP8X" && length >= 10) {
      size = { width: readUint24(view, data + 4) + 1, height: readUint24(view, data + 7) + 1 };
    } else if (type === "VP8 " && length >= 10) {
      hasPixels = true;
      size ??= { width: view.getUint16(data + 6, true) & 0x3fff, height: view.getUint16(data + 8, true) & 0x3fff };
    } else if (type === "VP8L" && length >= 5) {
      hasPixels = true;
      const bits = view.getUint32(data + 1, true);
      size ??= { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    } else if (type === "ANMF") {
      hasPixels = true;
    }
    offset = data + length + (length % 2);
  }
  if (size === undefined || !hasPixels) throw invalid("the WebP file has no pixels");
  return size;
}

function readUint24(view: DataView, offset: number): number {
  return view.getUint16(offset, true) | (view.getUint8(offset + 2) << 16);
}

function sized(size: Size): Size {
  if (size.width === 0 || size.height === 0) throw invalid("its width or height is zero");
  return size;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function invalid(reason: string): ValidationError {
  return new ValidationError("image_invalid", `Cannot read the picture: ${reason}`, { details: { reason } });
}
