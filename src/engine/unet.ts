import type { LatentSize } from "./latent-size.ts";
import { requireInputs, requireOutput } from "./network-check.ts";
import type { InputTensor, Network, TensorSpec } from "./network.ts";
import type { Sample } from "./sample.ts";
import type { PromptStates } from "./text-encoder.ts";

/** Up to this many latent positions all prompts share one call: 15 to 20 % faster, but twice the memory. */
const MAX_SHARED_POSITIONS = 32 * 32;

/** The network that is asked, step by step, what noise is in a sample. */
export class Unet {
  readonly #network: Network;
  readonly #sample: TensorSpec;
  readonly #timestep: TensorSpec;
  readonly #states: TensorSpec;
  readonly #output: string;

  /** @throws {ConfigurationError} `configuration_invalid` when the network is not a U-Net that we can feed */
  constructor(network: Network) {
    this.#network = network;
    [this.#sample, this.#timestep, this.#states] = requireInputs(
      network,
      "sample",
      "timestep",
      "encoder_hidden_states",
    );
    this.#output = requireOutput(network, "out_sample", 4);
  }

  /** What the network says of the sample, once for each prompt. */
  async predict(
    sample: Sample,
    size: LatentSize,
    timestep: number,
    prompts: readonly PromptStates[],
  ): Promise<Sample[]> {
    const mayShare = typeof this.#sample.shape[0] !== "number" && size.width * size.height <= MAX_SHARED_POSITIONS;
    if (mayShare) return this.#call(sample, size, timestep, prompts);
    const outputs: Sample[] = [];
    for (const prompt of prompts) outputs.push(...(await this.#call(sample, size, timestep, [prompt])));
    return outputs;
  }

  async #call(sample: Sample, size: LatentSize, timestep: number, prompts: readonly PromptStates[]): Promise<Sample[]> {
    const batch = prompts.length;
    const channels = sample.length / (size.width * size.height);
    const { values } = await this.#network.run(
      {
        [this.#sample.name]: {
          shape: [batch, channels, size.height, size.width],
          values: concatenate(prompts.map(() => sample)),
        },
        [this.#timestep.name]: this.#timestepTensor(timestep, batch),
        [this.#states.name]: {
          shape: [batch, ...(prompts[0]?.shape.slice(1) ?? [])],
          values: concatenate(prompts.map((states) => states.values)),
        },
      },
      this.#output,
    );
    return prompts.map((_, i) => values.slice(i * sample.length, (i + 1) * sample.length));
  }

  /** A scalar in newer exports, a list of one in older ones, one per picture where the axis is the sample's. */
  #timestepTensor(timestep: number, batch: number): InputTensor {
    const [axis] = this.#timestep.shape;
    if (axis === undefined) return { shape: [], values: [timestep] };
    const count = axis === this.#sample.shape[0] ? batch : 1;
    return { shape: [count], values: Array.from({ length: count }, () => timestep) };
  }
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
