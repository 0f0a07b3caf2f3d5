import type { PictureMetadata } from "./picture-metadata.ts";
import { verifyImage } from "./verify-image.ts";

/** Bits of the first byte of `VP8X`: RFC 9649, section 2.7.1. */
const HAS_XMP = 0x04;
const HAS_EXIF = 0x08;
const HAS_ALPHA = 0x10;
/** Behind `RIFF`, the size and `WEBP`. */
const FIRST_CHUNK = 12;
const EXIF_HEAD = "Exif\0\0";

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

/**
 * A verified WebP with this metadata behind its pixels, which are not touched; a simple file becomes an extended one. What
 * it carries already stays, and one that is signed stays as it is.
 */
export function insertWebpMetadata(webp: Buffer, { exif, xmp }: PictureMetadata): Buffer {
  const chunks = listChunks(webp);
  const has = (wanted: string): boolean => chunks.some(({ type }) => type === wanted);
  if (has("C2PA")) return webp;
  const added: Chunk[] = [];
  if (exif !== undefined && !has("EXIF")) added.push({ type: "EXIF", data: exif });
  if (xmp !== undefined && !has("XMP ")) added.push({ type: "XMP ", data: Buffer.from(xmp, "utf8") });
  if (added.length === 0) return webp;
  const [first, ...rest] = chunks;
  const pixels = first?.type === "VP8X" ? rest : chunks;
  const head = Buffer.from(first?.type === "VP8X" ? first.data : createExtendedHead(webp, first));
  for (const { type } of added) head[0] = (head[0] ?? 0) | (type === "EXIF" ? HAS_EXIF : HAS_XMP);
  const body = [{ type: "VP8X", data: head }, ...pixels, ...added].map(toBytes);
  return Buffer.concat([createFileHead(body), ...body]);
}

/** The data of the first chunk of this type in a verified WebP, as a view. */
export function findWebpChunk(webp: Buffer, type: string): Buffer | undefined {
  return listChunks(webp).find((chunk) => chunk.type === type)?.data;
}

/** A verified, extended WebP with one more chunk at its end. */
export function appendWebpChunk(webp: Buffer, type: string, data: Buffer): Buffer {
  const body = [...listChunks(webp), { type, data }].map(toBytes);
  return Buffer.concat([createFileHead(body), ...body]);
}

/** The metadata of a verified WebP. */
export function readWebpMetadata(webp: Buffer): PictureMetadata {
  const exif = findWebpChunk(webp, "EXIF");
  // Some programs write it as in a JPEG.
  const isLed = exif?.toString("latin1", 0, EXIF_HEAD.length) === EXIF_HEAD;
  return { exif: isLed ? exif.subarray(EXIF_HEAD.length) : exif, xmp: findWebpChunk(webp, "XMP ")?.toString("utf8") };
}

function listChunks(webp: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  let offset = FIRST_CHUNK;
  while (offset + 8 <= webp.length) {
    const length = webp.readUInt32LE(offset + 4);
    const type = webp.toString("latin1", offset, offset + 4);
    chunks.push({ type, data: webp.subarray(offset + 8, offset + 8 + length) });
    offset += 8 + length + (length % 2);
  }
  return chunks;
}

function createFileHead(chunks: readonly Buffer[]): Buffer {
  const head = Buffer.from("RIFF\0\0\0\0WEBP", "latin1");
  head.writeUInt32LE(4 + chunks.reduce((size, { length }) => size + length, 0), 4);
  return head;
}

/** The head that a simple file goes without. */
function createExtendedHead(webp: Buffer, pixels: Chunk | undefined): Buffer {
  const { width, height } = verifyImage(webp);
  const head = Buffer.alloc(10);
  // Bit 28 behind the signature of the lossless form.
  if (pixels?.type === "VP8L" && ((pixels.data[4] ?? 0) & 0x10) !== 0) head[0] = HAS_ALPHA;
  head.writeUIntLE(width - 1, 4, 3);
  head.writeUIntLE(height - 1, 7, 3);
  return head;
}

/** With a byte behind it that makes it even. */
function toBytes({ type, data }: Chunk): Buffer {
  const head = Buffer.from(`${type}\0\0\0\0`, "latin1");
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
}
