import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "./parse-json.ts";
import { countValues } from "./pixels.ts";

/** One output of a V2 answer whose values follow the JSON; lengths are checked. */
export interface BinaryOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

export interface BinaryAnswer {
  readonly document: JsonObject;
  readonly outputs: readonly BinaryOutput[];
}

const MAX_OUTPUTS = 100;
const MAX_ELEMENTS = 1000;
/** Bytes per value of the datatypes that have a fixed length. */
const VALUE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  UINT8: 1,
  INT8: 1,
  UINT16: 2,
  INT16: 2,
  FP16: 2,
  BF16: 2,
  UINT32: 4,
  INT32: 4,
  FP32: 4,
  UINT64: 8,
  INT64: 8,
  FP64: 8,
};

/**
 * Splits an answer of the binary tensor data extension: JSON of `jsonBytes`, then the values of the outputs in order.
 * Format: Triton, "Binary Tensor Data Extension".
 *
 * @returns `undefined` when the lengths that the JSON states are not those of the body
 */
export function splitBinaryAnswer(body: Buffer, jsonBytes: number): BinaryAnswer | undefined {
  if (!Number.isInteger(jsonBytes) || jsonBytes < 2 || jsonBytes > body.length) return undefined;
  const document = parseJson(body.toString("utf8", 0, jsonBytes));
  if (!isJsonObject(document)) return undefined;
  const listed = document["outputs"];
  if (!Array.isArray(listed) || listed.length > MAX_OUTPUTS) return undefined;
  const outputs: BinaryOutput[] = [];
  let offset = jsonBytes;
  for (const output of listed as readonly JsonValue[]) {
    const size = readSize(output);
    if (size === undefined) continue;
    const bytes = body.subarray(offset, offset + size);
    const described = isJsonObject(output) ? describe(output, bytes) : undefined;
    if (bytes.length !== size || described === undefined) return undefined;
    outputs.push(described);
    offset += size;
  }
  return offset === body.length ? { document, outputs } : undefined;
}

/** The elements of a BYTES tensor, each behind its length as u32 little-endian; `undefined` when one is cut off. */
export function splitBytesElements(bytes: Buffer): Buffer[] | undefined {
  const elements: Buffer[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    if (offset + 4 > bytes.length || elements.length === MAX_ELEMENTS) return undefined;
    const start = offset + 4;
    const end = start + bytes.readUInt32LE(offset);
    if (end > bytes.length) return undefined;
    elements.push(bytes.subarray(start, end));
    offset = end;
  }
  return elements;
}

function describe(output: JsonObject, bytes: Buffer): BinaryOutput | undefined {
  const { name, datatype, shape } = output;
  if (typeof name !== "string" || typeof datatype !== "string" || !Array.isArray(shape)) return undefined;
  const sides = (shape as readonly JsonValue[]).filter((side) => typeof side === "number");
  if (sides.length !== shape.length) return undefined;
  const valueBytes = VALUE_BYTES[datatype];
  const count = countValues(sides);
  const isWhole = valueBytes === undefined || (count !== undefined && count * valueBytes === bytes.length);
  return isWhole ? { name, datatype, shape: sides, bytes } : undefined;
}

function readSize(output: JsonValue): number | undefined {
  const parameters = isJsonObject(output) ? output["parameters"] : undefined;
  const size = isJsonObject(parameters) ? parameters["binary_data_size"] : undefined;
  return typeof size === "number" && Number.isInteger(size) && size >= 0 ? size : undefined;
}
