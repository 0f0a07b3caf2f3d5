import { ConfigurationError } from "../core/errors.ts";
import type { LatentSize } from "./latent-size.ts";
import { requireInputs, requireOutput } from "./network-check.ts";
import type { InputTensor, Network, OutputTensor, TensorSpec } from "./network.ts";
import type { Sample } from "./sample.ts";
import type { PromptStates } from "./text-encoder.ts";

/** What some U-Nets want to know beside the sample, the time and the prompt; the same for every step and prompt. */
export interface UnetConditions {
  /** SDXL: sizes of the original and the wanted picture, and where it was cut. */
  readonly timeIds?: readonly number[];
  /** Latent consistency models: the guidance, which is a part of the network there. */
  readonly guidanceEmbedding?: Sample;
}

export interface UnetOptions {
  /** True: it wants the pooled states of the prompt, and time ids (SDXL). */
  readonly hasTextTime?: boolean;
  /** True: it wants the guidance as an embedding (LCM). */
  readonly hasGuidance?: boolean;
}

/** What a U-Net is asked. */
export interface UnetQuestion {
  readonly sample: Sample;
  readonly size: LatentSize;
  readonly timestep: number;
  readonly prompts: readonly PromptStates[];
  readonly conditions?: UnetConditions;
}

/** Up to this many latent positions all prompts share one call: 15 to 20 % faster, but twice the memory. */
const MAX_SHARED_POSITIONS = 32 * 32;

/** The network that is asked, step by step, what noise is in a sample. */
export class Unet {
  readonly #network: Network;
  readonly #options: UnetOptions;
  readonly #sample: TensorSpec;
  readonly #timestep: TensorSpec;
  readonly #output: string;

  /** @throws {ConfigurationError} `configuration_invalid` when the network is not a U-Net that we can feed */
  constructor(network: Network, options: UnetOptions = {}) {
    this.#network = network;
    this.#options = options;
    const { hasTextTime = false, hasGuidance = false } = options;
    const [sample, timestep] = requireInputs(
      network,
      "sample",
      "timestep",
      "encoder_hidden_states",
      ...(hasTextTime ? ["text_embeds", "time_ids"] : []),
      ...(hasGuidance ? ["timestep_cond"] : []),
    );
    if (sample === undefined || timestep === undefined) throw new RangeError("Inputs were required and not given");
    this.#sample = sample;
    this.#timestep = timestep;
    this.#output = requireOutput(network, "out_sample", 4);
  }

  /** What the network says of the sample, once for each prompt. */
  async predict(question: UnetQuestion): Promise<Sample[]> {
    const { size, prompts } = question;
    const mayShare = typeof this.#sample.shape[0] !== "number" && size.width * size.height <= MAX_SHARED_POSITIONS;
    if (mayShare) return this.#call(question);
    const outputs: Sample[] = [];
    for (const prompt of prompts) outputs.push(...(await this.#call({ ...question, prompts: [prompt] })));
    return outputs;
  }

  async #call({ sample, size, timestep, prompts, conditions = {} }: UnetQuestion): Promise<Sample[]> {
    const batch = prompts.length;
    const channels = sample.length / (size.width * size.height);
    const [{ values }] = await this.#network.run(
      {
        [this.#sample.name]: {
          shape: [batch, channels, size.height, size.width],
          values: concatenate(prompts.map(() => sample)),
        },
        [this.#timestep.name]: this.#timestepTensor(timestep, batch),
        encoder_hidden_states: stack(prompts.map(({ tokens }) => tokens)),
        ...(this.#options.hasTextTime === true && this.#textTime(prompts, conditions)),
        ...(this.#options.hasGuidance === true && { timestep_cond: repeat(batch, conditions.guidanceEmbedding) }),
      },
      this.#output,
    );
    return prompts.map((_, i) => values.slice(i * sample.length, (i + 1) * sample.length));
  }

  #textTime(prompts: readonly PromptStates[], { timeIds }: UnetConditions): Record<string, InputTensor> {
    const pooled = prompts.flatMap((prompt) => prompt.pooled ?? []);
    if (pooled.length < prompts.length) {
      const message = `Cannot use network "${this.#network.path}": its text encoders give no pooled states`;
      throw new ConfigurationError("configuration_invalid", message);
    }
    return { text_embeds: stack(pooled), time_ids: repeat(prompts.length, Float32Array.from(timeIds ?? [])) };
  }

  /** A scalar in newer exports, a list of one in older ones, one per picture where the axis is the sample's. */
  #timestepTensor(timestep: number, batch: number): InputTensor {
    const [axis] = this.#timestep.shape;
    if (axis === undefined) return { shape: [], values: [timestep] };
    const count = axis === this.#sample.shape[0] ? batch : 1;
    return { shape: [count], values: Array.from({ length: count }, () => timestep) };
  }
}

function stack(tensors: readonly OutputTensor[]): InputTensor {
  return {
    shape: [tensors.length, ...(tensors[0]?.shape.slice(1) ?? [])],
    values: concatenate(tensors.map(({ values }) => values)),
  };
}

function repeat(count: number, values: Sample = new Float32Array(0)): InputTensor {
  return { shape: [count, values.length], values: concatenate(Array.from({ length: count }, () => values)) };
}

function concatenate(parts: readonly Sample[]): Sample {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
