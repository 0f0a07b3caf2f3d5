import type { RgbImage } from "../../src/core/png.ts";
import type { Colour } from "./heldout.ts";

/** A small picture whose numbers run from 0 to 1. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Row by row. */
  readonly pixels: readonly Colour[];
}

/** Which pixels of a picture are meant. */
export type Mask = readonly boolean[];

/** Each pixel the average of a square block; the picture's sides must be multiples of the target's. */
export function shrink({ width, height, rgb }: RgbImage, targetWidth: number, targetHeight: number): Picture {
  const [stepX, stepY] = [width / targetWidth, height / targetHeight];
  if (!Number.isInteger(stepX) || !Number.isInteger(stepY)) {
    throw new RangeError(`${width}x${height} does not shrink to ${targetWidth}x${targetHeight}`);
  }
  const pixels: Colour[] = [];
  for (let y = 0; y < targetHeight; y++) {
    for (let x = 0; x < targetWidth; x++) {
      const sums = [0, 0, 0];
      for (let dy = 0; dy < stepY; dy++) {
        for (let dx = 0; dx < stepX; dx++) {
          const at = ((y * stepY + dy) * width + x * stepX + dx) * 3;
          for (let channel = 0; channel < 3; channel++) sums[channel] = (sums[channel] ?? 0) + (rgb[at + channel] ?? 0);
        }
      }
      const scale = 255 * stepX * stepY;
      pixels.push([(sums[0] ?? 0) / scale, (sums[1] ?? 0) / scale, (sums[2] ?? 0) / scale]);
    }
  }
  return { width: targetWidth, height: targetHeight, pixels };
}

/** The same picture in a size that divides its own. */
export function shrinkPicture(picture: Picture, targetWidth: number, targetHeight: number): Picture {
  const { width, height, pixels } = picture;
  const rgb = Uint8Array.from(pixels.flat(), (value) => Math.floor(value * 255));
  return shrink({ width, height, rgb }, targetWidth, targetHeight);
}

export function distance(left: Colour, right: Colour): number {
  return (left[0] - right[0]) ** 2 + (left[1] - right[1]) ** 2 + (left[2] - right[2]) ** 2;
}

export function meanColour(pixels: readonly Colour[]): Colour {
  const mean = (channel: 0 | 1 | 2): number => pixels.reduce((sum, pixel) => sum + pixel[channel], 0) / pixels.length;
  return [mean(0), mean(1), mean(2)];
}

/** Channel by channel. */
export function medianColour(pixels: readonly Colour[]): Colour {
  const of = (channel: 0 | 1 | 2): number => median(pixels.map((pixel) => pixel[channel]));
  return [of(0), of(1), of(2)];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

export function count(mask: Mask): number {
  return mask.filter(Boolean).length;
}

/** Rows from one part of the height to another. */
export function band({ width, height, pixels }: Picture, from: number, to: number): Picture {
  const [top, bottom] = [Math.trunc(from * height), Math.trunc(to * height)];
  return { width, height: bottom - top, pixels: pixels.slice(top * width, bottom * width) };
}

/** Where the marked pixels are on average, from 0 at the left or top, in pixels; `undefined` when there are none. */
export function centreOf(mask: Mask, width: number): { readonly x: number; readonly y: number } | undefined {
  let [sumX, sumY, marked] = [0, 0, 0];
  for (const [index, isMarked] of mask.entries()) {
    if (!isMarked) continue;
    sumX += index % width;
    sumY += Math.floor(index / width);
    marked++;
  }
  return marked === 0 ? undefined : { x: sumX / marked, y: sumY / marked };
}

/** The connected parts of a mask with at least so many pixels. */
export function components(mask: Mask, width: number, least: number): Mask[] {
  const left = [...mask];
  const parts: Mask[] = [];
  for (let start = 0; start < left.length; start++) {
    if (!left[start]) continue;
    const part = left.map(() => false);
    const todo = [start];
    left[start] = false;
    let size = 0;
    for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
      part[at] = true;
      size++;
      const x = at % width;
      const neighbours = [at - width, at + width, ...(x > 0 ? [at - 1] : []), ...(x < width - 1 ? [at + 1] : [])];
      for (const next of neighbours) {
        if (left[next] !== true) continue;
        left[next] = false;
        todo.push(next);
      }
    }
    if (size >= least) parts.push(part);
  }
  return parts;
}
