import { basename, join, resolve } from "node:path";
import { ConfigurationError } from "../core/errors.ts";
import { loadConfigFile, loadOptionalConfigFile, type ConfigFile } from "./config-file.ts";
import type { LatentSize } from "./latent-size.ts";

/** What a request gets when it does not say; from the optional `generation_config.json` of the model. */
export interface GenerationDefaults {
  readonly numInferenceSteps: number;
  readonly guidanceScale: number;
  /** 0 to 1: how far guided outputs are scaled back (Lin et al., arXiv 2305.08891, section 3.4); 0 is off. */
  readonly guidanceRescale: number;
}

/** A folder in the layout of a diffusers ONNX export, read but not loaded. */
export interface ModelLayout {
  readonly name: string;
  readonly paths: {
    readonly tokenizer: string;
    readonly textEncoder: string;
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
  /** Tokens per prompt. */
  readonly promptLength: number;
  /** True: the model has never seen its token for unknown words, so they are left out. */
  readonly skipUnknownWords: boolean;
  readonly defaults: GenerationDefaults;
}

/** The one shape of pipeline that this engine runs; other classes need other parts. */
const PIPELINE_CLASSES = /^(?:ORT|Onnx)?StableDiffusionPipeline$/;

/** @throws {ConfigurationError} `configuration_invalid` naming the file, and the key in it, that is missing or unusable */
export async function loadModelLayout(folder: string): Promise<ModelLayout> {
  const index = await loadConfigFile(join(folder, "model_index.json"));
  const pipelineClass = index.text("_class_name");
  if (!PIPELINE_CLASSES.test(pipelineClass)) {
    throw new ConfigurationError(
      "configuration_invalid",
      `Cannot use model "${folder}": it is a ${pipelineClass}, only StableDiffusionPipeline is supported`,
    );
  }
  const unet = await loadConfigFile(join(folder, "unet", "config.json"));
  const vae = await loadConfigFile(join(folder, "vae_decoder", "config.json"));
  const textEncoder = await loadConfigFile(join(folder, "text_encoder", "config.json"));
  const generation = await loadOptionalConfigFile(join(folder, "generation_config.json"));
  const nativeSide = unet.number("sample_size");
  return {
    name: index.text("name", basename(resolve(folder))),
    paths: {
      tokenizer: join(folder, "tokenizer"),
      textEncoder: join(folder, "text_encoder", "model.onnx"),
      unet: join(folder, "unet", "model.onnx"),
      vaeDecoder: join(folder, "vae_decoder", "model.onnx"),
    },
    schedulerConfig: await loadConfigFile(join(folder, "scheduler", "scheduler_config.json")),
    latents: {
      channels: unet.number("in_channels"),
      nativeSide,
      pixelsPerLatent: pixelsPerLatentOf(vae),
      scalingFactor: vae.number("scaling_factor", 0.18215),
      shiftFactor: vae.number("shift_factor", 0),
      trainedSizes: trainedSizesOf(generation),
    },
    promptLength: textEncoder.number("max_position_embeddings"),
    skipUnknownWords: generation.boolean("skip_unknown_words", false),
    defaults: {
      numInferenceSteps: generation.number("num_inference_steps", 50),
      guidanceScale: generation.number("guidance_scale", 7.5),
      guidanceRescale: generation.number("guidance_rescale", 0),
    },
  };
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
