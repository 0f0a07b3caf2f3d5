/** How the numbers of a V2 datatype are read; little-endian, as the binary tensor data extension has them. */
interface ValueReader {
  readonly isFloat: boolean;
  readonly bytes: number;
  readonly read: (view: DataView, offset: number) => number;
}

const READERS: ReadonlyMap<string, ValueReader> = new Map([
  ["UINT8", { isFloat: false, bytes: 1, read: (view, offset) => view.getUint8(offset) }],
  ["FP16", { isFloat: true, bytes: 2, read: (view, offset) => toHalf(view.getUint16(offset, true)) }],
  ["BF16", { isFloat: true, bytes: 2, read: readBfloat16 }],
  ["FP32", { isFloat: true, bytes: 4, read: (view, offset) => view.getFloat32(offset, true) }],
  ["FP64", { isFloat: true, bytes: 8, read: (view, offset) => view.getFloat64(offset, true) }],
] satisfies readonly [string, ValueReader][]);

const SCRATCH = new DataView(new ArrayBuffer(4));

export interface TensorValues {
  readonly values: ArrayLike<number>;
  readonly isFloat: boolean;
}

/** The numbers of a tensor of a datatype that pixels come in; `undefined` for another. */
export function readTensorValues(datatype: string, bytes: Buffer): TensorValues | undefined {
  const reader = READERS.get(datatype);
  if (reader === undefined) return undefined;
  const { isFloat, bytes: valueBytes, read } = reader;
  if (valueBytes === 1) return { values: bytes, isFloat };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values = new Float32Array(Math.floor(bytes.length / valueBytes));
  for (let index = 0; index < values.length; index++) values[index] = read(view, index * valueBytes);
  return { values, isFloat };
}

/** The upper half of a float of 32 bits. */
function readBfloat16(view: DataView, offset: number): number {
  SCRATCH.setUint32(0, view.getUint16(offset, true) << 16);
  return SCRATCH.getFloat32(0);
}

/** IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction. Node 22 has no `getFloat16`. */
function toHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
