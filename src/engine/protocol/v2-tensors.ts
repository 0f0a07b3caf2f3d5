import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { fromHalfFloatBits } from "../half-float.ts";
import { invalid, show } from "./instance.ts";

/** One input of an infer request: its values, flat. */
export interface InputTensor {
  readonly name: string;
  readonly values: readonly (string | number)[];
}

/** One output of an infer answer. */
export interface OutputTensor {
  readonly name: string;
  readonly datatype: "BYTES" | "INT64";
  /** Binary for BYTES; numbers for INT64. */
  readonly values: readonly (Uint8Array | number)[];
  /** How a BYTES value is written in JSON. */
  readonly text: (value: Uint8Array) => string;
  readonly isBinary: boolean;
}

interface NumberType {
  readonly bytes: number;
  readonly read: (view: DataView, offset: number) => number;
}

const NUMBER_TYPES: Readonly<Record<string, NumberType>> = {
  UINT8: { bytes: 1, read: (view, at) => view.getUint8(at) },
  INT8: { bytes: 1, read: (view, at) => view.getInt8(at) },
  UINT16: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  INT16: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  UINT32: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  INT32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  UINT64: { bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) },
  INT64: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  FP16: { bytes: 2, read: (view, at) => fromHalfFloatBits(Uint16Array.of(view.getUint16(at, true)))[0] ?? NaN },
  FP32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  FP64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};

const DATATYPES = ["BYTES", ...Object.keys(NUMBER_TYPES)].join(", ");
const MAX_INPUTS = 20;
const MAX_VALUES = 64;

/**
 * The inputs of an infer request, from JSON or from the bytes behind it.
 * Format: Open Inference Protocol; Triton, "Binary Tensor Data Extension".
 *
 * @param tail the bytes behind the JSON
 * @throws {ValidationError} `invalid_argument` naming the tensor, what was found and what is allowed
 */
export function parseInputTensors(listed: JsonValue | undefined, tail: Buffer): InputTensor[] {
  if (!Array.isArray(listed)) throw invalid("inputs", "is missing", "a list of tensors");
  if (listed.length > MAX_INPUTS) throw invalid("inputs", `has ${listed.length} entries`, `at most ${MAX_INPUTS}`);
  let offset = 0;
  const tensors = (listed as readonly JsonValue[]).map((input, index) => {
    if (!isJsonObject(input) || typeof input["name"] !== "string") {
      throw invalid(`inputs[${index}]`, "has no name", "a tensor with name, shape, datatype and data");
    }
    const name = input["name"].slice(0, 60);
    const count = parseCount(name, input["shape"]);
    const size = readBinarySize(name, input["parameters"]);
    if (size === undefined) return { name, values: parseData(name, input, count) };
    const bytes = tail.subarray(offset, offset + size);
    if (bytes.length < size) throw invalid(name, `ends after ${bytes.length} bytes`, `binary_data_size, ${size} bytes`);
    offset += size;
    return { name, values: readBinary(name, input["datatype"], bytes, count) };
  });
  if (offset !== tail.length)
    throw invalid("inputs", `leave ${tail.length - offset} bytes over`, "binary data of inputs");
  return tensors;
}

/** An output in JSON, and the bytes that follow the JSON when it is binary. */
export function writeOutputTensor({ name, datatype, values, text, isBinary }: OutputTensor): {
  readonly json: JsonObject;
  readonly bytes: readonly Buffer[];
} {
  const shared = { name, shape: [values.length], datatype };
  if (!isBinary) {
    return {
      json: { ...shared, data: values.map((value) => (typeof value === "number" ? value : text(value))) },
      bytes: [],
    };
  }
  const bytes = values.flatMap(toBinary);
  const size = bytes.reduce((sum, part) => sum + part.length, 0);
  return { json: { ...shared, parameters: { binary_data_size: size } }, bytes };
}

function toBinary(value: Uint8Array | number): Buffer[] {
  const head = Buffer.alloc(typeof value === "number" ? 8 : 4);
  if (typeof value === "number") {
    head.writeBigInt64LE(BigInt(value));
    return [head];
  }
  head.writeUInt32LE(value.length);
  return [head, Buffer.from(value.buffer, value.byteOffset, value.byteLength)];
}

function parseCount(name: string, shape: JsonValue | undefined): number {
  const sides = Array.isArray(shape) ? (shape as readonly JsonValue[]) : [];
  const isValid = Array.isArray(shape) && sides.every((side) => Number.isInteger(side) && Number(side) > 0);
  const count = sides.reduce<number>((product, side) => product * Number(side), 1);
  if (isValid && count <= MAX_VALUES) return count;
  throw invalid(
    `shape of ${name}`,
    `is ${show(shape)}`,
    `whole numbers above 0, together at most ${MAX_VALUES} values`,
  );
}

function readBinarySize(name: string, parameters: JsonValue | undefined): number | undefined {
  const size = isJsonObject(parameters) ? parameters["binary_data_size"] : undefined;
  if (size === undefined) return undefined;
  if (typeof size === "number" && Number.isInteger(size) && size >= 0) return size;
  throw invalid(`binary_data_size of ${name}`, `is ${show(size)}`, "a number of bytes");
}

function parseData(name: string, input: JsonObject, count: number): (string | number)[] {
  const { data } = input;
  const datatype = parseDatatype(name, input["datatype"]);
  const values = flatten(name, data, 0);
  if (values.length !== count)
    throw invalid(`data of ${name}`, `has ${values.length} values`, `${count}, as its shape says`);
  return values.map((value) => {
    const isText = datatype === "BYTES";
    if (typeof value === (isText ? "string" : "number")) return value as string | number;
    throw invalid(`data of ${name}`, `holds ${show(value)}`, isText ? "texts" : `numbers, as ${datatype} says`);
  });
}

/** Values may be nested as the shape says, or flat. */
function flatten(name: string, value: JsonValue | undefined, depth: number): JsonValue[] {
  if (!Array.isArray(value) || depth > 8) throw invalid(`data of ${name}`, `is ${show(value)}`, "a list");
  return (value as readonly JsonValue[]).flatMap((item) =>
    Array.isArray(item) ? flatten(name, item as JsonValue, depth + 1) : [item],
  );
}

function readBinary(name: string, datatype: JsonValue | undefined, bytes: Buffer, count: number): (string | number)[] {
  const type = NUMBER_TYPES[parseDatatype(name, datatype)];
  if (type === undefined) return readTexts(name, bytes, count);
  if (bytes.length !== count * type.bytes) {
    throw invalid(`binary data of ${name}`, `has ${bytes.length} bytes`, `${count * type.bytes}, as its shape says`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => type.read(view, i * type.bytes));
}

/** Each behind its length as u32 little-endian. */
function readTexts(name: string, bytes: Buffer, count: number): string[] {
  const texts: string[] = [];
  let offset = 0;
  while (offset + 4 <= bytes.length && texts.length < count) {
    const end = offset + 4 + bytes.readUInt32LE(offset);
    if (end > bytes.length) break;
    texts.push(bytes.toString("utf8", offset + 4, end));
    offset = end;
  }
  if (offset === bytes.length && texts.length === count) return texts;
  throw invalid(`binary data of ${name}`, "does not hold whole texts", `${count} texts, each behind its length`);
}

function parseDatatype(name: string, datatype: JsonValue | undefined): string {
  const isKnown = typeof datatype === "string" && (datatype === "BYTES" || Object.hasOwn(NUMBER_TYPES, datatype));
  if (isKnown) return datatype;
  throw invalid(`datatype of ${name}`, `is ${show(datatype)}`, DATATYPES);
}
