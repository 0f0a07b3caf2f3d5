import type { RgbImage } from "../core/png.ts";

/** A part of a picture, in pixels of the picture; edges may lie between pixels. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const CHANNELS = 3;
const LANCZOS_LOBES = 3;

/** Which source pixels make one target pixel, and how much each counts; the weights add up to 1. */
interface Contribution {
  readonly first: number;
  readonly weights: Float64Array;
}

/** Resamples a region of a picture to exactly `width` x `height` with Lanczos' windowed sinc, widened when shrinking. */
export function resizeImage(image: RgbImage, width: number, height: number, region: Region = wholeOf(image)): RgbImage {
  if (region.width === width && region.height === height && width === image.width && height === image.height) {
    return image;
  }
  const columns = contributions(region.left, region.width, image.width, width);
  const rows = contributions(region.top, region.height, image.height, height);
  const narrowed = resampleRows(image, columns);
  const stride = width * CHANNELS;
  const rgb = new Uint8Array(stride * height);
  for (const [y, row] of rows.entries()) rgb.set(mixRows(narrowed, stride, row), y * stride);
  return { width, height, rgb };
}

// NOTE: `?? 0` in the loops below is never taken: it is the form of a checked access that compiles to fast code.

/** Each row resampled to as many pixels as there are contributions, not yet rounded. */
function resampleRows(image: RgbImage, columns: readonly Contribution[]): Float32Array {
  const result = new Float32Array(image.height * columns.length * CHANNELS);
  let target = 0;
  for (let y = 0; y < image.height; y++) {
    const row = image.rgb.subarray(y * image.width * CHANNELS, (y + 1) * image.width * CHANNELS);
    for (const { first, weights } of columns) {
      let [red, green, blue] = [0, 0, 0];
      for (let i = 0, source = first * CHANNELS; i < weights.length; i++, source += CHANNELS) {
        const weight = weights[i] ?? 0;
        red += weight * (row[source] ?? 0);
        green += weight * (row[source + 1] ?? 0);
        blue += weight * (row[source + 2] ?? 0);
      }
      result[target++] = red;
      result[target++] = green;
      result[target++] = blue;
    }
  }
  return result;
}

/** One target row: the weighted sum of source rows, rounded and held within a byte. */
function mixRows(rows: Float32Array, stride: number, { first, weights }: Contribution): Uint8ClampedArray {
  const sums = new Float32Array(stride);
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] ?? 0;
    const source = rows.subarray((first + i) * stride, (first + i + 1) * stride);
    for (let x = 0; x < stride; x++) sums[x] = (sums[x] ?? 0) + weight * (source[x] ?? 0);
  }
  return new Uint8ClampedArray(sums);
}

function contributions(start: number, length: number, sourceSize: number, targetSize: number): Contribution[] {
  const step = length / targetSize;
  const widening = Math.max(1, step);
  const reach = LANCZOS_LOBES * widening;
  return Array.from({ length: targetSize }, (_, i) => {
    const center = start + (i + 0.5) * step - 0.5;
    const first = Math.max(0, Math.ceil(center - reach));
    const last = Math.min(sourceSize - 1, Math.floor(center + reach));
    const weights = Float64Array.from({ length: last - first + 1 }, (_, k) => lanczos((first + k - center) / widening));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

function lanczos(x: number): number {
  if (x === 0) return 1;
  if (Math.abs(x) >= LANCZOS_LOBES) return 0;
  const angle = Math.PI * x;
  return (LANCZOS_LOBES * Math.sin(angle) * Math.sin(angle / LANCZOS_LOBES)) / angle ** 2;
}

function wholeOf(image: RgbImage): Region {
  return { left: 0, top: 0, width: image.width, height: image.height };
}
