import type { RgbImage } from "../core/png.ts";

/** Numbers of a tensor, row-major. */
export interface NumberTensor {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
  /** Whole numbers 0..255, or fractions 0..1, -1..1 or 0..255. */
  readonly isFloat: boolean;
}

/** Where the numbers of the first picture of a tensor lie. */
interface PixelLayout {
  readonly width: number;
  readonly height: number;
  /** Each colour has a plane of its own, as models compute; else the three of a pixel stand together. */
  readonly isPlanar: boolean;
}

/** The range that the numbers of a picture take. */
interface ValueRange {
  readonly low: number;
  readonly high: number;
}

const MAX_SIDE = 8192;
const CHANNELS = 3;
/** Rounding in the model's last layer may leave the range by this part of it. */
const TOLERANCE = 0.01;
const BYTE_RANGE: ValueRange = { low: 0, high: 255 };
const UNIT_RANGE: ValueRange = { low: 0, high: 1 };
/** As the autoencoders of diffusion models give them. */
const SIGNED_RANGE: ValueRange = { low: -1, high: 1 };

/** The number of values that a shape holds; `undefined` for a shape that is none or holds too many. */
export function countValues(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const side of shape) {
    if (!Number.isInteger(side) || side < 1) return undefined;
    count *= side;
  }
  return count <= MAX_SIDE * MAX_SIDE * CHANNELS ? count : undefined;
}

/** Whether a tensor of this shape is one or more RGB pictures: `[H, W, 3]` or `[3, H, W]`, or a list of such. */
export function isPixelShape(shape: readonly number[]): boolean {
  return toLayout(shape) !== undefined;
}

/**
 * The first picture of a tensor whose shape `isPixelShape` accepts; `undefined` when numbers are missing, are no numbers
 * or lie outside their range. Fractions go from 0 to 1 when none is above 1, from -1 to 1 when one is also below 0, else
 * from 0 to 255.
 */
export function toRgbImage({ shape, values, isFloat }: NumberTensor): RgbImage | undefined {
  const layout = toLayout(shape);
  if (layout === undefined || values.length !== countValues(shape)) return undefined;
  const range = isFloat ? findRange(values) : BYTE_RANGE;
  if (!areWithin(values, range, isFloat)) return undefined;
  const { width, height } = layout;
  return { width, height, rgb: toRgb(values, layout, range) };
}

/** A side of 3 may be either: the order that pictures are stored in goes first. */
function toLayout(shape: readonly number[]): PixelLayout | undefined {
  if ((shape.length !== 3 && shape.length !== 4) || countValues(shape) === undefined) return undefined;
  const [first = 0, second = 0, third = 0] = shape.slice(-3);
  const isPlanar = third !== CHANNELS;
  if (isPlanar && first !== CHANNELS) return undefined;
  const [height, width] = isPlanar ? [second, third] : [first, second];
  return height <= MAX_SIDE && width <= MAX_SIDE ? { width, height, isPlanar } : undefined;
}

function findRange(values: ArrayLike<number>): ValueRange {
  let lowest = Infinity;
  let highest = -Infinity;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? NaN;
    lowest = Math.min(lowest, value);
    highest = Math.max(highest, value);
  }
  if (!(highest <= 1 + TOLERANCE)) return BYTE_RANGE;
  return lowest < -TOLERANCE ? SIGNED_RANGE : UNIT_RANGE;
}

function areWithin(values: ArrayLike<number>, { low, high }: ValueRange, isFloat: boolean): boolean {
  const slack = isFloat ? (high - low) * TOLERANCE : 0;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? NaN;
    if (!(value >= low - slack && value <= high + slack) || (!isFloat && !Number.isInteger(value))) return false;
  }
  return true;
}

function toRgb(
  values: ArrayLike<number>,
  { width, height, isPlanar }: PixelLayout,
  { low, high }: ValueRange,
): Uint8Array {
  const scale = 255 / (high - low);
  const pixels = width * height;
  // Rounds, and clamps what the tolerance let pass.
  const rgb = new Uint8ClampedArray(pixels * CHANNELS);
  const [pixelStep, channelStep] = isPlanar ? [1, pixels] : [CHANNELS, 1];
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < CHANNELS; channel++) {
      const value = values[pixel * pixelStep + channel * channelStep] ?? 0;
      rgb[pixel * CHANNELS + channel] = (value - low) * scale;
    }
  }
  return new Uint8Array(rgb.buffer);
}
