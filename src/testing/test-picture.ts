import { crc32 } from "node:zlib";
import { encodePng, type RgbImage } from "../core/png.ts";

/** What decides how a test picture looks. */
export interface TestPicture {
  readonly prompt: string;
  /** Pixels. Default 512. */
  readonly width?: number | undefined;
  /** Pixels. Default 512. */
  readonly height?: number | undefined;
  readonly seed?: number | undefined;
}

const DEFAULT_PIXELS = 512;

/** A small valid PNG of one colour, which prompt and seed decide. */
export function drawTestPicture(picture: TestPicture): Buffer {
  return encodePng(drawTestPixels(picture));
}

/** The pixels of that picture. */
export function drawTestPixels(picture: TestPicture): RgbImage {
  const { prompt, width = DEFAULT_PIXELS, height = DEFAULT_PIXELS, seed = 0 } = picture;
  const colour = crc32(`${seed}:${prompt}`);
  const pixel = [colour & 0xff, (colour >>> 8) & 0xff, (colour >>> 16) & 0xff];
  return { width, height, rgb: Buffer.alloc(width * height * 3, Uint8Array.from(pixel)) };
}
