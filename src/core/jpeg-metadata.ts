import type { PictureMetadata } from "./picture-metadata.ts";

const EXIF_HEAD = Buffer.from("Exif\0\0", "latin1");
const XMP_HEAD = Buffer.from("http://ns.adobe.com/xap/1.0/\0", "latin1");
const APP0 = 0xe0;
const APP1 = 0xe1;
/** Where C2PA and other JUMBF boxes lie: whatever is signed must not be changed. */
const APP11 = 0xeb;
/** From the start of an APP11 segment: marker, length, `JP`, two numbers, and the heads of two boxes. */
const JUMBF_TYPE = 24;
const START_OF_SCAN = 0xda;
/** Of a segment, its length included. */
const MAX_SEGMENT_BYTES = 0xffff;

interface Segment {
  readonly marker: number;
  readonly start: number;
  readonly end: number;
}

/**
 * A verified JPEG with this metadata in front of its tables, behind the JFIF header. Pixels are not touched. What it
 * carries already stays, one that is signed stays as it is, and what does not fit into a segment is left out.
 */
export function insertJpegMetadata(jpeg: Buffer, { exif, xmp }: PictureMetadata): Buffer {
  const segments = listSegments(jpeg);
  if (segments.some(({ marker }) => marker === APP11)) return jpeg;
  const known = readJpegMetadata(jpeg);
  const added: Buffer[] = [];
  if (exif !== undefined && known.exif === undefined) added.push(createSegment(EXIF_HEAD, exif));
  if (xmp !== undefined && known.xmp === undefined) added.push(createSegment(XMP_HEAD, Buffer.from(xmp, "utf8")));
  const [first] = segments;
  const at = first?.marker === APP0 ? first.end : 2;
  return Buffer.concat([jpeg.subarray(0, at), ...added, jpeg.subarray(at)]);
}

/** Whether a verified JPEG carries a C2PA manifest: an APP11 segment with a JUMBF box (ISO/IEC 19566-5, annex D) of that type. */
export function isSignedJpeg(jpeg: Buffer): boolean {
  return listSegments(jpeg).some(
    ({ marker, start }) =>
      marker === APP11 && jpeg.toString("latin1", start + JUMBF_TYPE, start + JUMBF_TYPE + 8) === "jumdc2pa",
  );
}

/** A verified JPEG without the bytes that may fill the space before the markers of its segments: not every reader knows them. */
export function withoutFillBytes(jpeg: Buffer): Buffer {
  const segments = listSegments(jpeg);
  let scanStart = segments.at(-1)?.end ?? 2;
  while (jpeg[scanStart + 1] === 0xff) scanStart += 1;
  const head = segments.map(({ start, end }) => jpeg.subarray(start, end));
  const parts = [jpeg.subarray(0, 2), ...head, jpeg.subarray(scanStart)];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return length === jpeg.length ? jpeg : Buffer.concat(parts);
}

/** The metadata of a verified JPEG. */
export function readJpegMetadata(jpeg: Buffer): PictureMetadata {
  const find = (head: Buffer): Buffer | undefined => {
    const found = listSegments(jpeg).find(
      ({ marker, start, end }) => marker === APP1 && jpeg.subarray(start + 4, end).indexOf(head) === 0,
    );
    return found && jpeg.subarray(found.start + 4 + head.length, found.end);
  };
  return { exif: find(EXIF_HEAD), xmp: find(XMP_HEAD)?.toString("utf8") };
}

/** The segments in front of the first pixels. */
function listSegments(jpeg: Buffer): Segment[] {
  const segments: Segment[] = [];
  let offset = 2;
  while (offset + 4 <= jpeg.length) {
    const marker = jpeg[offset + 1] ?? 0;
    if (marker === 0xff) {
      offset += 1;
      continue;
    }
    if (marker === START_OF_SCAN) break;
    const end = offset + 2 + jpeg.readUInt16BE(offset + 2);
    segments.push({ marker, start: offset, end });
    offset = end;
  }
  return segments;
}

/** Empty when it would be too long. */
function createSegment(head: Buffer, data: Buffer): Buffer {
  const length = 2 + head.length + data.length;
  if (length > MAX_SEGMENT_BYTES) return Buffer.alloc(0);
  const start = Buffer.from([0xff, APP1, length >> 8, length & 0xff]);
  return Buffer.concat([start, head, data]);
}
