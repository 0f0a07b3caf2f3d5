import { MCPImageError } from "../core/errors.ts";
import type { RgbImage } from "../core/png.ts";
import type { LatentSize } from "./latent-size.ts";
import { requireInputs, requireOutput } from "./network-check.ts";
import type { Network } from "./network.ts";
import type { Sample } from "./sample.ts";

export interface VaeDecoderOptions {
  readonly channels: number;
  /** What latents were multiplied with in training, and moved by before. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
}

/** The network that turns latents into pixels. */
export class VaeDecoder {
  readonly #network: Network;
  readonly #options: VaeDecoderOptions;
  readonly #input: string;
  readonly #output: string;

  /** @throws {ConfigurationError} `configuration_invalid` when the network is not a decoder */
  constructor(network: Network, options: VaeDecoderOptions) {
    this.#network = network;
    this.#options = options;
    this.#input = requireInputs(network, "latent_sample")[0].name;
    this.#output = requireOutput(network, "sample", 4);
  }

  async decode(latents: Sample, size: LatentSize): Promise<RgbImage> {
    const { channels, scalingFactor, shiftFactor } = this.#options;
    const [{ shape, values }] = await this.#network.run(
      {
        [this.#input]: {
          shape: [1, channels, size.height, size.width],
          values: latents.map((value) => value / scalingFactor + shiftFactor),
        },
      },
      this.#output,
    );
    const [, , height = 0, width = 0] = shape;
    return { width, height, rgb: toRgb(values, width * height) };
  }
}

/** Three planes from -1 to 1, to bytes pixel by pixel. */
function toRgb(planes: Sample, pixels: number): Uint8Array {
  const rgb = new Uint8Array(pixels * 3);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < pixels; i++) {
      const value = planes[channel * pixels + i] ?? NaN;
      if (!Number.isFinite(value))
        throw new MCPImageError("upstream_error", "The model gave numbers that are not finite");
      rgb[i * 3 + channel] = Math.max(0, Math.min(255, Math.round((value / 2 + 0.5) * 255)));
    }
  }
  return rgb;
}
