/** The part of ONNX that test models need: nodes, constants, inputs and outputs. */
export interface OnnxGraph {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly constants: readonly OnnxConstant[];
  readonly nodes: readonly OnnxNode[];
}

export interface OnnxValue {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  /** A text is a size that the caller chooses. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxConstant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

const TYPES = { float32: 1, int32: 6, int64: 7, float16: 10 } as const;
const IR_VERSION = 8;
const OPSET = 13;
/** Numbers of `AttributeProto.AttributeType`. */
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

/** The bytes of a model file. Format: onnx.proto (ONNX 1.13), as protocol buffers. */
export function encodeOnnx(graph: OnnxGraph): Buffer {
  return message(
    integer(1, IR_VERSION),
    field(8, message(text(1, ""), integer(2, OPSET))),
    field(
      7,
      message(
        ...graph.nodes.map((node) => field(1, encodeNode(node))),
        text(2, "test"),
        ...graph.constants.map((constant) => field(5, encodeConstant(constant))),
        ...graph.inputs.map((value) => field(11, encodeValue(value))),
        ...graph.outputs.map((value) => field(12, encodeValue(value))),
      ),
    ),
  );
}

function encodeNode({ op, inputs, output, attributes = {} }: OnnxNode): Buffer {
  return message(
    ...inputs.map((name) => text(1, name)),
    text(2, output),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) => field(5, encodeAttribute(name, value))),
  );
}

function encodeAttribute(name: string, value: number | readonly number[]): Buffer {
  if (typeof value === "number") return message(text(1, name), integer(3, value), integer(20, ATTRIBUTE_INT));
  return message(text(1, name), ...value.map((item) => integer(8, item)), integer(20, ATTRIBUTE_INTS));
}

function encodeConstant({ name, shape, values }: OnnxConstant): Buffer {
  const type = values instanceof Float32Array ? TYPES.float32 : TYPES.int64;
  const raw = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return message(...shape.map((size) => integer(1, size)), integer(2, type), text(8, name), field(9, raw));
}

function encodeValue({ name, type, shape }: OnnxValue): Buffer {
  const sizes = shape.map((size) => field(1, typeof size === "number" ? integer(1, size) : text(2, size)));
  const tensor = message(integer(1, TYPES[type]), field(2, message(...sizes)));
  return message(text(1, name), field(2, message(field(1, tensor))));
}

function message(...fields: readonly Buffer[]): Buffer {
  return Buffer.concat(fields);
}

function text(number: number, value: string): Buffer {
  return field(number, Buffer.from(value, "utf8"));
}

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([varint(BigInt((number << 3) | 2)), varint(BigInt(content.length)), content]);
}

function integer(number: number, value: number): Buffer {
  return Buffer.concat([varint(BigInt(number << 3)), varint(BigInt.asUintN(64, BigInt(value)))]);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const more = rest > 127n;
    bytes.push(Number(rest & 127n) | (more ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}
