import { encodeOnnx, type OnnxConstant, type OnnxGraph, type OnnxNode, type OnnxValue } from "./onnx-file.ts";

/** What a tiny U-Net is told beside the prompt's tokens. */
export interface TinyUnetOptions {
  /** Numbers per token. */
  readonly tokenSize: number;
  /** SDXL: `text_embeds` of this length, and six `time_ids`. */
  readonly pooledSize?: number;
  /** LCM: `timestep_cond` of this length. */
  readonly guidanceSize?: number;
  /** Older exports have a list of one. */
  readonly timestepShape?: readonly (number | string)[];
}

export interface TinyEncoderOptions {
  readonly vocabularySize: number;
  readonly tokenSize: number;
  readonly inputType?: "int64" | "int32";
  /** SDXL: one output per layer. */
  readonly layers?: number;
  /** The second encoder of SDXL: the output `text_embeds`. */
  readonly pooledSize?: number;
}

export const TINY_CHANNELS = 4;
const TOKENS = ["batch_size", "sequence_length"] as const;

/** A text encoder whose tokens are looked up in a random table. */
export function tinyTextEncoder(options: TinyEncoderOptions): Buffer {
  const { vocabularySize, tokenSize, inputType = "int64", layers = 0, pooledSize } = options;
  const tokens: OnnxValue["shape"] = [...TOKENS, tokenSize];
  const graph = new GraphBuilder();
  graph.constant("table", [vocabularySize, tokenSize], 1);
  graph.node("Gather", ["table", "input_ids"], "last_hidden_state");
  const outputs: OnnxValue[] = [{ name: "last_hidden_state", type: "float32", shape: tokens }];
  for (let layer = 0; layer < layers; layer++) {
    graph.scalar(`factor.${layer}`, (layer + 1) / layers);
    graph.node("Mul", ["last_hidden_state", `factor.${layer}`], `hidden_states.${layer}`);
    outputs.push({ name: `hidden_states.${layer}`, type: "float32", shape: tokens });
  }
  if (pooledSize !== undefined) {
    graph.constant("pool", [tokenSize, pooledSize], tokenSize);
    graph.node("ReduceMean", ["last_hidden_state"], "mean", { axes: [1], keepdims: 0 });
    graph.node("MatMul", ["mean", "pool"], "text_embeds");
    outputs.push({ name: "text_embeds", type: "float32", shape: [TOKENS[0], pooledSize] });
  }
  return graph.encode([{ name: "input_ids", type: inputType, shape: TOKENS }], outputs);
}

/** A U-Net of one convolution; everything that it is told moves its output. */
export function tinyUnet(options: TinyUnetOptions): Buffer {
  const { tokenSize, pooledSize, guidanceSize, timestepShape = [] } = options;
  const picture: OnnxValue["shape"] = ["batch_size", TINY_CHANNELS, "height", "width"];
  const graph = new GraphBuilder();
  const inputs: OnnxValue[] = [
    { name: "sample", type: "float32", shape: picture },
    { name: "timestep", type: "int64", shape: timestepShape },
    { name: "encoder_hidden_states", type: "float32", shape: ["batch_size", "sequence_length", tokenSize] },
  ];
  graph.constant("kernel", [TINY_CHANNELS, TINY_CHANNELS, 3, 3], TINY_CHANNELS * 9);
  graph.node("Conv", ["sample", "kernel"], "convolved", { pads: [1, 1, 1, 1], kernel_shape: [3, 3] });
  graph.node("ReduceMean", ["encoder_hidden_states"], "prompt", { axes: [1], keepdims: 0 });
  const told: [name: string, size: number, scale: number][] = [["prompt", tokenSize, 1]];
  if (pooledSize !== undefined) told.push(["text_embeds", pooledSize, 1], ["time_ids", 6, 1 / 1024]);
  if (guidanceSize !== undefined) told.push(["timestep_cond", guidanceSize, 1]);
  for (const [name, size] of told.slice(1)) inputs.push({ name, type: "float32", shape: ["batch_size", size] });
  let sum = "convolved";
  for (const [name, size, scale] of told) {
    graph.constant(`${name}.weights`, [size, TINY_CHANNELS], size / scale ** 2);
    graph.node("MatMul", [name, `${name}.weights`], `${name}.bias`);
    graph.node("Reshape", [`${name}.bias`, "plane"], `${name}.plane`);
    graph.node("Add", [sum, `${name}.plane`], `with.${name}`);
    sum = `with.${name}`;
  }
  graph.integers("plane", [0, 0, 1, 1]);
  graph.node("Cast", ["timestep"], "time", { to: 1 });
  graph.scalar("time.factor", 1 / 1000);
  graph.node("Mul", ["time", "time.factor"], "time.scaled");
  graph.node("Add", [sum, "time.scaled"], "with.time");
  graph.node("Tanh", ["with.time"], "out_sample");
  return graph.encode(inputs, [{ name: "out_sample", type: "float32", shape: picture }]);
}

/** A decoder that makes a block of 8 x 8 pixels of each latent. */
export function tinyVaeDecoder(): Buffer {
  const graph = new GraphBuilder();
  graph.constant("blocks", [TINY_CHANNELS, 3, 8, 8], TINY_CHANNELS);
  graph.node("ConvTranspose", ["latent_sample", "blocks"], "pixels", { strides: [8, 8], kernel_shape: [8, 8] });
  graph.node("Tanh", ["pixels"], "sample");
  return graph.encode(
    [{ name: "latent_sample", type: "float32", shape: ["batch_size", TINY_CHANNELS, "height", "width"] }],
    [{ name: "sample", type: "float32", shape: ["batch_size", 3, "height_out", "width_out"] }],
  );
}

class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #constants: OnnxConstant[] = [];
  #state = 1;

  node(op: string, inputs: readonly string[], output: string, attributes: OnnxNode["attributes"] = {}): void {
    this.#nodes.push({ op, inputs, output, attributes });
  }

  /** Random weights, scaled to keep the spread of what they are multiplied with. */
  constant(name: string, shape: readonly number[], fanIn: number): void {
    const count = shape.reduce((product, size) => product * size, 1);
    const scale = Math.sqrt(3 / fanIn);
    const values = Float32Array.from({ length: count }, () => (this.#random() * 2 - 1) * scale);
    this.#constants.push({ name, shape, values });
  }

  scalar(name: string, value: number): void {
    this.#constants.push({ name, shape: [], values: Float32Array.of(value) });
  }

  integers(name: string, values: readonly number[]): void {
    this.#constants.push({ name, shape: [values.length], values: BigInt64Array.from(values, BigInt) });
  }

  encode(inputs: OnnxGraph["inputs"], outputs: OnnxGraph["outputs"]): Buffer {
    return encodeOnnx({ inputs, outputs, constants: this.#constants, nodes: this.#nodes });
  }

  /** The same numbers in every run (Numerical Recipes' linear congruential generator). */
  #random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }
}
