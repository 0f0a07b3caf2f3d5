import { inflateSync } from "node:zlib";
import { readPngChunks, type RgbImage } from "./png.ts";

/** Samples of a pixel by colour type; palettes are not read. */
const CHANNELS: ReadonlyMap<number, number> = new Map([
  [0, 1],
  [2, 3],
  [4, 2],
  [6, 4],
]);

/**
 * The pixels of a PNG with 8 bits a sample, without palette and interlace, as models draw them; transparency is left
 * out. `undefined` for any other form, and for more pixels than `maxPixels`.
 *
 * @throws {ValidationError} `image_invalid`
 */
export function decodePng(bytes: Uint8Array, maxPixels: number): RgbImage | undefined {
  const chunks = readPngChunks(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = chunks[0]?.dataStart ?? 0;
  const [width, height] = [view.getUint32(start), view.getUint32(start + 4)];
  const [depth, colourType, interlace] = [bytes[start + 8], bytes[start + 9], bytes[start + 12]];
  const channels = CHANNELS.get(colourType ?? -1);
  if (depth !== 8 || channels === undefined || interlace !== 0 || width * height > maxPixels) return undefined;
  const stride = width * channels;
  const parts = chunks
    .filter(({ type }) => type === "IDAT")
    .map((chunk) => bytes.subarray(chunk.dataStart, chunk.end - 4));
  const size = height * (stride + 1);
  const rows = inflate(Buffer.concat(parts), size);
  if (rows?.length !== size) return undefined;
  for (let y = 0; y < height; y++) unfilter(rows, y, stride, channels);
  return { width, height, rgb: toRgb(rows, { width, height, stride, channels }) };
}

function inflate(data: Uint8Array, maxOutputLength: number): Buffer | undefined {
  try {
    return inflateSync(data, { maxOutputLength });
  } catch {
    return undefined;
  }
}

// NOTE: `?? 0` in the loops below is never taken: it is the form of a checked access that compiles to fast code.

/** Undoes the filter of one row in place; the row above is already undone. PNG specification, section 9. */
function unfilter(rows: Buffer, y: number, stride: number, channels: number): void {
  const start = y * (stride + 1) + 1;
  const filter = rows[start - 1] ?? 0;
  const above = start - stride - 1;
  for (let i = 0; i < stride; i++) {
    const left = i >= channels ? (rows[start + i - channels] ?? 0) : 0;
    const up = y > 0 ? (rows[above + i] ?? 0) : 0;
    const corner = y > 0 && i >= channels ? (rows[above + i - channels] ?? 0) : 0;
    rows[start + i] = (rows[start + i] ?? 0) + predict(filter, left, up, corner);
  }
}

function predict(filter: number, left: number, up: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4: {
      const estimate = left + up - corner;
      const [byLeft, byUp, byCorner] = [
        Math.abs(estimate - left),
        Math.abs(estimate - up),
        Math.abs(estimate - corner),
      ];
      if (byLeft <= byUp && byLeft <= byCorner) return left;
      return byUp <= byCorner ? up : corner;
    }
    default:
      return 0;
  }
}

interface RowForm {
  readonly width: number;
  readonly height: number;
  readonly stride: number;
  readonly channels: number;
}

function toRgb(rows: Buffer, { width, height, stride, channels }: RowForm): Uint8Array {
  const rgb = new Uint8Array(width * height * 3);
  const [green, blue] = channels >= 3 ? [1, 2] : [0, 0];
  let target = 0;
  for (let y = 0; y < height; y++) {
    let source = y * (stride + 1) + 1;
    for (let x = 0; x < width; x++, source += channels) {
      rgb[target++] = rows[source] ?? 0;
      rgb[target++] = rows[source + green] ?? 0;
      rgb[target++] = rows[source + blue] ?? 0;
    }
  }
  return rgb;
}
