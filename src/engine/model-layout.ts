import { basename, join, resolve } from "node:path";
import { loadConfigFile, loadOptionalConfigFile, type ConfigFile } from "./config-file.ts";
import { generationDefaultsOf, type GenerationDefaults } from "./generation-defaults.ts";
import type { LatentSize } from "./latent-size.ts";
import { embedsGuidance, hasTwoEncoders, modelKindOf, type ModelKind } from "./model-kind.ts";

/** One text encoder and the tokenizer that goes with it. */
export interface EncoderLayout {
  readonly tokenizer: string;
  readonly network: string;
  /** Tokens per prompt. */
  readonly promptLength: number;
}

/** A folder in the layout of a diffusers ONNX export, read but not loaded. */
export interface ModelLayout {
  readonly name: string;
  readonly kind: ModelKind;
  /** One, or the two of SDXL. */
  readonly encoders: readonly EncoderLayout[];
  readonly paths: {
    readonly unet: string;
    readonly vaeDecoder: string;
  };
  readonly schedulerConfig: ConfigFile;
  /** Latent sizes: the side of the square that the model was trained on, and the pixels per latent. */
  readonly latents: {
    readonly channels: number;
    readonly nativeSide: number;
    readonly pixelsPerLatent: number;
    readonly scalingFactor: number;
    readonly shiftFactor: number;
    /** The only grids that the model was trained on: in any other it repeats its subject. Empty: any. */
    readonly trainedSizes: readonly LatentSize[];
  };
  /** Numbers of the embedding in which the U-Net takes the guidance (LCM); `undefined`: it takes none. */
  readonly guidanceLength: number | undefined;
  /** True: an empty negative prompt is zeros instead of what the encoders say of nothing. */
  readonly zeroEmptyPrompt: boolean;
  /** True: the model has never seen its token for unknown words, so they are left out. */
  readonly skipUnknownWords: boolean;
  readonly defaults: GenerationDefaults;
}

/** @throws {ConfigurationError} `configuration_invalid` naming the file, and the key in it, that is missing or unusable */
export async function loadModelLayout(folder: string): Promise<ModelLayout> {
  const index = await loadConfigFile(join(folder, "model_index.json"));
  const unet = await loadConfigFile(join(folder, "unet", "config.json"));
  const vae = await loadConfigFile(join(folder, "vae_decoder", "config.json"));
  const schedulerConfig = await loadConfigFile(join(folder, "scheduler", "scheduler_config.json"));
  const kind = modelKindOf(folder, index, unet);
  const generation = await loadOptionalConfigFile(join(folder, "generation_config.json"));
  const nativeSide = unet.number("sample_size");
  return {
    name: index.text("name", basename(resolve(folder))),
    kind,
    encoders: await loadEncoders(folder, kind),
    paths: {
      unet: join(folder, "unet", "model.onnx"),
      vaeDecoder: join(folder, "vae_decoder", "model.onnx"),
    },
    schedulerConfig,
    latents: {
      channels: unet.number("in_channels"),
      nativeSide,
      pixelsPerLatent: pixelsPerLatentOf(vae),
      scalingFactor: vae.number("scaling_factor", 0.18215),
      shiftFactor: vae.number("shift_factor", 0),
      trainedSizes: trainedSizesOf(generation),
    },
    guidanceLength: embedsGuidance(kind) ? unet.number("time_cond_proj_dim") : undefined,
    zeroEmptyPrompt: hasTwoEncoders(kind) && index.boolean("force_zeros_for_empty_prompt", true),
    skipUnknownWords: generation.boolean("skip_unknown_words", false),
    defaults: generationDefaultsOf(kind, schedulerConfig, generation),
  };
}

async function loadEncoders(folder: string, kind: ModelKind): Promise<EncoderLayout[]> {
  const suffixes = hasTwoEncoders(kind) ? ["", "_2"] : [""];
  return Promise.all(
    suffixes.map(async (suffix) => {
      const encoder = join(folder, `text_encoder${suffix}`);
      const config = await loadConfigFile(join(encoder, "config.json"));
      return {
        tokenizer: join(folder, `tokenizer${suffix}`),
        network: join(encoder, "model.onnx"),
        promptLength: config.number("max_position_embeddings"),
      };
    }),
  );
}

/** Pairs of width and height, in latents. */
function trainedSizesOf(generation: ConfigFile): LatentSize[] {
  const numbers = generation.numbers("trained_sizes") ?? [];
  const widths = numbers.filter((_, index) => index % 2 === 0);
  return widths.map((width, index) => ({ width, height: numbers[index * 2 + 1] ?? width }));
}

/** Each block of the decoder but the last doubles the size; our own models say it outright. */
function pixelsPerLatentOf(vae: ConfigFile): number {
  const blocks = vae.numbers("block_out_channels");
  return blocks === undefined ? vae.number("scale") : 2 ** (blocks.length - 1);
}
