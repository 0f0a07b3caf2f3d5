import { crc32, deflateSync } from "node:zlib";
import { PNG_SIGNATURE } from "./image-format.ts";
import { ValidationError } from "./errors.ts";

/** Where one chunk lies in the file; all four parts (length, type, data, CRC) are inside the bytes. */
export interface PngChunk {
  readonly type: string;
  /** Offset of the length field. */
  readonly start: number;
  readonly dataStart: number;
  readonly dataLength: number;
  /** Offset behind the CRC. */
  readonly end: number;
}

/** 8-bit RGB, row by row from the top left. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

const CHUNK_OVERHEAD = 12;
const TYPE_PATTERN = /^[A-Za-z]{4}$/;
const COLOUR_TYPE_RGB = 2;

/**
 * Every chunk of a PNG, in order, with the CRC of each checked.
 * Format: W3C "Portable Network Graphics (PNG) Specification (Third Edition)", section 5.
 *
 * @throws {ValidationError} `image_invalid` for a wrong signature, a chunk that is cut off, a wrong CRC, a missing
 *   IHDR, IDAT or IEND, or anything behind IEND
 */
export function readPngChunks(bytes: Uint8Array): PngChunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!PNG_SIGNATURE.every((byte, index) => bytes[index] === byte)) throw invalid("the PNG signature is missing");
  const chunks: PngChunk[] = [];
  let offset: number = PNG_SIGNATURE.length;
  while (offset < bytes.length) {
    if (offset + CHUNK_OVERHEAD > bytes.length) throw invalid("a chunk is cut off");
    const dataLength = view.getUint32(offset);
    const end = offset + CHUNK_OVERHEAD + dataLength;
    if (end > bytes.length) throw invalid("a chunk is cut off");
    const type = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8));
    if (!TYPE_PATTERN.test(type)) throw invalid("a chunk has no valid type");
    if (crc32(bytes.subarray(offset + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw invalid(`the checksum of chunk ${type} is wrong`);
    }
    chunks.push({ type, start: offset, dataStart: offset + 8, dataLength, end });
    offset = end;
    if (type === "IEND") break;
  }
  if (offset !== bytes.length) throw invalid("there is data behind the end of the picture");
  if (chunks[0]?.type !== "IHDR" || chunks[0].dataLength !== 13) throw invalid("the header chunk is missing");
  if (chunks.at(-1)?.type !== "IEND") throw invalid("the end of the picture is missing");
  if (!chunks.some((chunk) => chunk.type === "IDAT")) throw invalid("the picture has no pixels");
  return chunks;
}

/** Every chunk of a verified PNG, in order; looks at the heads of chunks alone. */
export function* listPngChunks(png: Uint8Array): Generator<PngChunk> {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let start = PNG_SIGNATURE.length; start + CHUNK_OVERHEAD <= png.length;) {
    const type = String.fromCharCode(...png.subarray(start + 4, start + 8));
    const dataLength = view.getUint32(start);
    const end = start + CHUNK_OVERHEAD + dataLength;
    yield { type, start, dataStart: start + 8, dataLength, end };
    start = end;
  }
}

/** Whether a verified PNG has a chunk of this type before its pixels. */
export function hasChunkBeforePixels(png: Uint8Array, type: string): boolean {
  for (const chunk of listPngChunks(png)) {
    if (chunk.type === type) return true;
    if (chunk.type === "IDAT") return false;
  }
  return false;
}

/** One chunk ready to be spliced in. */
export function createPngChunk(type: string, data: Uint8Array): Buffer {
  const chunk = Buffer.alloc(CHUNK_OVERHEAD + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, "latin1");
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

/** A PNG of 8-bit RGB pixels. @throws {RangeError} when `rgb` is not `width * height * 3` bytes */
export function encodePng(image: RgbImage): Buffer {
  const { width, height, rgb } = image;
  if (rgb.length !== width * height * 3)
    throw new RangeError(`Expected ${width * height * 3} bytes, got ${rgb.length}`);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  header[9] = COLOUR_TYPE_RGB;
  return Buffer.concat([
    PNG_SIGNATURE,
    createPngChunk("IHDR", header),
    createPngChunk("IDAT", deflateSync(filterRows(image), { level: 6 })),
    createPngChunk("IEND", new Uint8Array(0)),
  ]);
}

/** Each row with the filter (none, sub or up) whose sum of absolute differences is the smallest. */
function filterRows({ width, height, rgb }: RgbImage): Uint8Array {
  const stride = width * 3;
  const out = new Uint8Array(height * (stride + 1));
  const candidates = [new Uint8Array(stride), new Uint8Array(stride), new Uint8Array(stride)] as const;
  for (let y = 0; y < height; y++) {
    const row = rgb.subarray(y * stride, (y + 1) * stride);
    const above = y > 0 ? rgb.subarray((y - 1) * stride, y * stride) : undefined;
    let sums = [0, 0, 0];
    for (let i = 0; i < stride; i++) {
      const value = row[i] ?? 0;
      const sub = (value - (i >= 3 ? (row[i - 3] ?? 0) : 0)) & 0xff;
      const up = (value - (above?.[i] ?? 0)) & 0xff;
      candidates[0][i] = value;
      candidates[1][i] = sub;
      candidates[2][i] = up;
      sums = [(sums[0] ?? 0) + cost(value), (sums[1] ?? 0) + cost(sub), (sums[2] ?? 0) + cost(up)];
    }
    const filter = sums.indexOf(Math.min(...sums));
    out[y * (stride + 1)] = filter;
    out.set(candidates[filter] ?? candidates[0], y * (stride + 1) + 1);
  }
  return out;
}

function cost(byte: number): number {
  return byte < 128 ? byte : 256 - byte;
}

function invalid(reason: string): ValidationError {
  return new ValidationError("image_invalid", `Cannot read the picture: ${reason}`, { details: { reason } });
}
