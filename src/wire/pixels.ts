import type { RgbImage } from "../core/png.ts";

/** Numbers of a tensor, row-major. */
export interface NumberTensor {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
  /** Whole numbers 0..255, or fractions 0..1 or 0..255. */
  readonly isFloat: boolean;
}

const MAX_SIDE = 8192;
const CHANNELS = 3;
/** Rounding in the model's last layer may leave the range by this much of it. */
const TOLERANCE = 0.01;

/** The number of values that a shape holds; `undefined` for a shape that is none or holds too many. */
export function countValues(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const side of shape) {
    if (!Number.isInteger(side) || side < 1) return undefined;
    count *= side;
  }
  return count <= MAX_SIDE * MAX_SIDE * CHANNELS ? count : undefined;
}

/** Whether a tensor of this shape is one or more RGB pictures: `[H, W, 3]` or `[N, H, W, 3]`. */
export function isPixelShape(shape: readonly number[]): boolean {
  const [height = 0, width = 0, channels] = shape.slice(-3);
  return (
    (shape.length === 3 || shape.length === 4) &&
    channels === CHANNELS &&
    height <= MAX_SIDE &&
    width <= MAX_SIDE &&
    countValues(shape) !== undefined
  );
}

/**
 * The first picture of a tensor whose shape `isPixelShape` accepts; `undefined` when numbers are missing, are no numbers
 * or lie outside their range. Fractions of which none is above 1 go from 0 to 1, others from 0 to 255.
 */
export function toRgbImage(tensor: NumberTensor): RgbImage | undefined {
  const { shape, values, isFloat } = tensor;
  if (values.length !== countValues(shape)) return undefined;
  const [height = 0, width = 0] = shape.slice(-3);
  const rgb = toRgb(values, width * height * CHANNELS, isFloat);
  return rgb && { width, height, rgb };
}

function toRgb(values: ArrayLike<number>, count: number, isFloat: boolean): Uint8Array | undefined {
  const scale = isFloat && maximum(values) <= 1 + TOLERANCE ? 255 : 1;
  const slack = isFloat ? TOLERANCE * 255 : 0;
  const rgb = new Uint8Array(count);
  for (let index = 0; index < values.length; index++) {
    const value = (values[index] ?? NaN) * scale;
    if (!(value >= -slack && value <= 255 + slack) || (!isFloat && !Number.isInteger(value))) return undefined;
    if (index < count) rgb[index] = Math.max(0, Math.min(255, Math.round(value)));
  }
  return rgb;
}

function maximum(values: ArrayLike<number>): number {
  let highest = -Infinity;
  for (let index = 0; index < values.length; index++) highest = Math.max(highest, values[index] ?? NaN);
  return highest;
}
