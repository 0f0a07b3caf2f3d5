import type { Sample } from "./sample.ts";

/** One input or output of a network, as its file declares it. */
export interface TensorSpec {
  readonly name: string;
  /** ONNX's name of the type, such as `float32`, `float16` or `int64`. */
  readonly type: string;
  /** A text is a size that the caller chooses. */
  readonly shape: readonly (number | string)[];
}

/** Numbers for an input; the network converts them to the type that its file declares. */
export interface InputTensor {
  readonly shape: readonly number[];
  readonly values: Sample | readonly number[];
}

/** Numbers of an output, as 32-bit floats. */
export interface OutputTensor {
  readonly shape: readonly number[];
  readonly values: Sample;
}

/** A neural network that is ready to run, whatever runs it. */
export interface Network {
  /** The file, for messages. */
  readonly path: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Takes every input, and gives the outputs that are asked for, in that order. */
  run<Names extends readonly string[]>(
    inputs: Readonly<Record<string, InputTensor>>,
    ...outputs: Names
  ): Promise<OutputTensors<Names>>;
}

export type OutputTensors<Names extends readonly string[]> = { readonly [Index in keyof Names]: OutputTensor };
