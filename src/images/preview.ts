import { decodePng } from "../core/decode-png.ts";
import { MCPImageError, toMcpImageError } from "../core/errors.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import { encodePng, type RgbImage } from "../core/png.ts";
import type { StoredImage } from "../storage/abstract-storage.ts";
import type { PictureConverter } from "./picture-converter.ts";

/** How much of a picture a result carries. */
export type PreviewSize = "thumb" | "full";

/** A picture small enough for the result of a tool. */
export interface Preview {
  readonly imageData: Uint8Array;
  readonly mimeType: string;
}

interface PreviewLimit {
  /** Pixels of the longer edge, tried in turn until the bytes fit. */
  readonly edges: readonly number[];
  readonly maxBytes: number;
}

/**
 * A result may have 1 MiB in some clients, and 25,000 tokens in others, of which a few count every four characters of
 * base64 as one: the first bounds `full`, the second `thumb`.
 */
const LIMITS: Readonly<Record<PreviewSize, PreviewLimit>> = {
  thumb: { edges: [512, 384, 256, 128, 64], maxBytes: 72_000 },
  full: { edges: [1024, 768, 512, 256], maxBytes: 700_000 },
};
/** Without sharp the work is done on this thread: more pixels would keep it from answering. */
const MAX_PLAIN_PIXELS = 1_100_000;

/** Makes previews with sharp; without it, of PNG in the forms that models draw. */
export class PreviewMaker {
  readonly #converter: Pick<PictureConverter, "convert">;

  constructor(options: { readonly converter: Pick<PictureConverter, "convert"> }) {
    this.#converter = options.converter;
  }

  /** `undefined` when it cannot be made here. */
  async make(image: StoredImage, size: PreviewSize): Promise<Preview | undefined> {
    const { record, imageData } = image;
    const { edges, maxBytes } = LIMITS[size];
    const longestEdge = Math.max(numberOf(record["width"]), numberOf(record["height"]));
    if (longestEdge <= (edges[0] ?? 0) && imageData.length <= maxBytes) {
      return { imageData, mimeType: IMAGE_FORMATS[record.format].mimeType };
    }
    try {
      for (const edge of edges) {
        const request = { format: "webp", longestEdge: edge } as const;
        const converted = await this.#converter.convert(async () => imageData, request);
        if (converted !== undefined && converted.length <= maxBytes) {
          return { imageData: converted, mimeType: IMAGE_FORMATS.webp.mimeType };
        }
      }
      return undefined;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return record.format === "png" ? shrinkPlainly(imageData, LIMITS[size]) : undefined;
    }
  }
}

function isUnavailable(error: unknown): boolean {
  const { code } = toMcpImageError(error);
  return error instanceof MCPImageError && (code === "thumbnails_unavailable" || code === "thumbnails_busy");
}

function shrinkPlainly(imageData: Uint8Array, { edges, maxBytes }: PreviewLimit): Preview | undefined {
  const picture = decodePng(imageData, MAX_PLAIN_PIXELS);
  if (picture === undefined) return undefined;
  for (const edge of edges) {
    const bytes = encodePng(shrinkByBoxes(picture, edge));
    if (bytes.length <= maxBytes) return { imageData: bytes, mimeType: IMAGE_FORMATS.png.mimeType };
  }
  return undefined;
}

/** Each pixel the mean of those that it stands for; a picture is never made larger. */
function shrinkByBoxes({ width, height, rgb }: RgbImage, longestEdge: number): RgbImage {
  const scale = Math.max(1, Math.max(width, height) / longestEdge);
  const [newWidth, newHeight] = [Math.max(1, Math.round(width / scale)), Math.max(1, Math.round(height / scale))];
  const target = new Uint8Array(newWidth * newHeight * 3);
  for (let y = 0; y < newHeight; y++) {
    const [top, bottom] = spanOf(y, newHeight, height);
    for (let x = 0; x < newWidth; x++) {
      const [left, right] = spanOf(x, newWidth, width);
      let [red, green, blue] = [0, 0, 0];
      for (let sourceY = top; sourceY < bottom; sourceY++) {
        for (let i = (sourceY * width + left) * 3; i < (sourceY * width + right) * 3; i += 3) {
          red += rgb[i] ?? 0;
          green += rgb[i + 1] ?? 0;
          blue += rgb[i + 2] ?? 0;
        }
      }
      const count = (bottom - top) * (right - left);
      target.set([red / count, green / count, blue / count], (y * newWidth + x) * 3);
    }
  }
  return { width: newWidth, height: newHeight, rgb: target };
}

function spanOf(index: number, count: number, size: number): readonly [from: number, to: number] {
  const from = Math.floor((index * size) / count);
  return [from, Math.max(from + 1, Math.floor(((index + 1) * size) / count))];
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : Infinity;
}
