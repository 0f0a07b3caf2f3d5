import { sniffImageFormat } from "../core/image-format.ts";
import type { JsonValue } from "../core/json.ts";
import type { RgbImage } from "../core/png.ts";
import { countValues, isPixelShape, toRgbImage } from "./pixels.ts";

const MAX_RANK = 6;

/** What a list of numbers turned out to be; `damaged`: meant to be a picture, but not whole. */
export type NumberListContent =
  | { readonly kind: "picture"; readonly imageData: Buffer }
  | { readonly kind: "pixels"; readonly image: RgbImage }
  | { readonly kind: "damaged" };

/** The shape of a list of numbers, nested or not; `undefined` when it holds something else first. */
export function shapeOfNumbers(list: readonly JsonValue[]): readonly number[] | undefined {
  const shape: number[] = [];
  let value: JsonValue | undefined = list;
  while (Array.isArray(value) && shape.length <= MAX_RANK) {
    shape.push(value.length);
    value = (value as readonly JsonValue[])[0];
  }
  return typeof value === "number" ? shape : undefined;
}

/**
 * Pixels, or the bytes of a picture file, in a list of numbers.
 *
 * @param shape as the server states it, else the nesting of the list
 * @param isFloat as the server states it, else whether there is a fraction
 */
export function readNumberList(
  list: readonly JsonValue[],
  shape: readonly number[],
  isFloat?: boolean,
): NumberListContent | undefined {
  const count = countValues(shape);
  if (count === undefined) return undefined;
  if (isPixelShape(shape)) {
    const values = flatten(list, count);
    const image =
      values && toRgbImage({ shape, values, isFloat: isFloat ?? values.some((value) => !Number.isInteger(value)) });
    return image ? { kind: "pixels", image } : { kind: "damaged" };
  }
  // The bytes of one file: its first numbers tell.
  const start = flatten(firstNumbers(list), 16);
  if (start === undefined || sniffImageFormat(Uint8Array.from(start)) === undefined) return undefined;
  const values = flatten(list, count);
  const isBytes = values?.every((value) => Number.isInteger(value) && value >= 0 && value <= 255) ?? false;
  return values && isBytes ? { kind: "picture", imageData: Buffer.from(values) } : { kind: "damaged" };
}

function firstNumbers(list: readonly JsonValue[]): readonly JsonValue[] {
  let value = list;
  while (Array.isArray(value[0])) value = value[0] as readonly JsonValue[];
  return value.slice(0, 16);
}

/** Exactly `count` numbers, or `undefined`; what is no number becomes NaN. */
function flatten(list: readonly JsonValue[], count: number): Float32Array | undefined {
  const values = new Float32Array(count);
  let length = 0;
  const add = (items: readonly JsonValue[], depth: number): boolean => {
    for (const item of items) {
      if (Array.isArray(item)) {
        if (depth >= MAX_RANK || !add(item, depth + 1)) return false;
      } else if (length === count) {
        return false;
      } else {
        values[length] = typeof item === "number" ? item : NaN;
        length += 1;
      }
    }
    return true;
  };
  return add(list, 0) && length === count ? values : undefined;
}
