import { inflateSync } from "node:zlib";
import { MCPImageError } from "../core/errors.ts";
import { readPngChunks } from "../core/png.ts";
import type { VerifiedImage } from "../core/verify-image.ts";

/** Pixels that are all alike shrink to less than this part; hardly any other picture does. */
const SUSPICIOUS_PART = 1 / 100;
const SMALL_FILE_BYTES = 1024;
const MAX_PIXEL_BYTES = 64 * 1024 * 1024;
const COLOUR_CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3 };

/**
 * Whether a verified picture is all black, as the safety checker of Stable Diffusion leaves it. Only PNG without
 * transparency is looked at, and only a file so small that it may be.
 */
export function isBlackPicture(imageData: Uint8Array, { format, width, height }: VerifiedImage): boolean {
  if (format !== "png") return false;
  const [depth, colourType] = [imageData[24], imageData[25] ?? 0];
  const channels = COLOUR_CHANNELS[colourType];
  if (depth !== 8 || channels === undefined) return false;
  const stride = width * channels + 1;
  const pixelBytes = stride * height;
  if (pixelBytes > MAX_PIXEL_BYTES || imageData.length > pixelBytes * SUSPICIOUS_PART + SMALL_FILE_BYTES) return false;
  const rows = inflate(imageData, pixelBytes);
  if (rows?.length !== pixelBytes) return false;
  const blackRow = Buffer.alloc(stride - 1);
  for (let start = 0; start < pixelBytes; start += stride) {
    // The first byte of a row names its filter, and every filter leaves zeros as they are.
    if (!blackRow.equals(rows.subarray(start + 1, start + stride))) return false;
  }
  return true;
}

function inflate(imageData: Uint8Array, pixelBytes: number): Uint8Array | undefined {
  try {
    const chunks = readPngChunks(imageData).filter(({ type }) => type === "IDAT");
    const parts = chunks.map(({ dataStart, dataLength }) => imageData.subarray(dataStart, dataStart + dataLength));
    return inflateSync(Buffer.concat(parts), { maxOutputLength: pixelBytes });
  } catch (error) {
    if (error instanceof MCPImageError || error instanceof RangeError || isZlibError(error)) return undefined;
    throw error;
  }
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
}
