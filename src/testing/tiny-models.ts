import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { tinyTextEncoder, tinyUnet, tinyVaeDecoder, TINY_CHANNELS } from "./tiny-networks.ts";

/** Families of models whose exports differ in their layout. */
export type TinyModelFamily = "sd15" | "sd-turbo" | "sdxl" | "sdxl-turbo" | "lcm";

interface Family {
  readonly pipeline: string;
  readonly scheduler: Readonly<Record<string, unknown>>;
  readonly sampleSize: number;
  readonly scalingFactor: number;
  readonly isSdxl?: boolean;
  readonly guidanceSize?: number;
  /** What the second kind of CLIP pads with. */
  readonly padToken?: string;
}

const BETAS = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: "scaled_linear", num_train_timesteps: 1000 };
const SD = { scalingFactor: 0.18215, sampleSize: 64 };
const SDXL = { pipeline: "ORTStableDiffusionXLPipeline", isSdxl: true, scalingFactor: 0.13025 };

/** Pipelines and schedulers as the published exports of each family have them. */
const FAMILIES: Readonly<Record<TinyModelFamily, Family>> = {
  sd15: {
    ...SD,
    pipeline: "ORTStableDiffusionPipeline",
    scheduler: {
      _class_name: "PNDMScheduler",
      ...BETAS,
      skip_prk_steps: true,
      set_alpha_to_one: false,
      steps_offset: 1,
    },
  },
  "sd-turbo": {
    ...SD,
    pipeline: "ORTStableDiffusionPipeline",
    scheduler: { _class_name: "EulerDiscreteScheduler", ...BETAS, timestep_spacing: "trailing", steps_offset: 1 },
    padToken: "!",
  },
  sdxl: {
    ...SDXL,
    sampleSize: 128,
    scheduler: { _class_name: "EulerDiscreteScheduler", ...BETAS, timestep_spacing: "leading", steps_offset: 1 },
  },
  "sdxl-turbo": {
    ...SDXL,
    sampleSize: 64,
    scheduler: { _class_name: "EulerAncestralDiscreteScheduler", ...BETAS, timestep_spacing: "trailing" },
  },
  lcm: {
    ...SD,
    sampleSize: 96,
    pipeline: "ORTLatentConsistencyModelPipeline",
    scheduler: { _class_name: "LCMScheduler", ...BETAS, original_inference_steps: 50, clip_sample: false },
    guidanceSize: 256,
  },
};

const TOKEN_SIZE = 8;
const POOLED_SIZE = 6;
const START = "<|startoftext|>";
const END = "<|endoftext|>";

/** Writes a model of random weights with the files, names, types and shapes of an ONNX export of the family. */
export async function writeTinyModel(folder: string, family: TinyModelFamily): Promise<void> {
  const { pipeline, scheduler, sampleSize, scalingFactor, isSdxl = false, guidanceSize, padToken } = FAMILIES[family];
  const vocabulary = clipVocabulary();
  const encoder = { vocabularySize: Object.keys(vocabulary).length, tokenSize: TOKEN_SIZE };
  const files: Record<string, Buffer | object | string> = {
    "model_index.json": {
      _class_name: pipeline,
      _diffusers_version: "0.35.0",
      ...(isSdxl && { force_zeros_for_empty_prompt: true }),
    },
    "scheduler/scheduler_config.json": scheduler,
    ...tokenizerFiles("tokenizer", vocabulary, padToken ?? END),
    "text_encoder/config.json": { max_position_embeddings: 77, hidden_size: TOKEN_SIZE },
    "text_encoder/model.onnx": tinyTextEncoder({ ...encoder, layers: isSdxl ? 13 : 0 }),
    "unet/config.json": {
      _class_name: "UNet2DConditionModel",
      sample_size: sampleSize,
      in_channels: TINY_CHANNELS,
      ...(isSdxl && { addition_embed_type: "text_time" }),
      ...(guidanceSize !== undefined && { time_cond_proj_dim: guidanceSize }),
    },
    "unet/model.onnx": tinyUnet({
      tokenSize: isSdxl ? 2 * TOKEN_SIZE : TOKEN_SIZE,
      ...(isSdxl && { pooledSize: POOLED_SIZE }),
      ...(guidanceSize !== undefined && { guidanceSize }),
      // One of each way of old and new exports.
      ...(family === "sd15" && { timestepShape: [1] }),
    }),
    "vae_decoder/config.json": { block_out_channels: [128, 256, 512, 512], scaling_factor: scalingFactor },
    "vae_decoder/model.onnx": tinyVaeDecoder(),
    ...(isSdxl && {
      ...tokenizerFiles("tokenizer_2", vocabulary, "!"),
      "text_encoder_2/config.json": { max_position_embeddings: 77, hidden_size: TOKEN_SIZE },
      "text_encoder_2/model.onnx": tinyTextEncoder({ ...encoder, layers: 33, pooledSize: POOLED_SIZE }),
    }),
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === "string" || Buffer.isBuffer(content) ? content : JSON.stringify(content));
  }
}

/** Every byte as CLIP writes it, alone and at the end of a word, and its two special tokens. */
function clipVocabulary(): Record<string, number> {
  const isPlain = (byte: number): boolean => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !isPlain(byte));
  const letters = Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(isPlain(byte) ? byte : 256 + others.indexOf(byte)),
  );
  const tokens = [...letters, ...letters.map((letter) => `${letter}</w>`), START, END];
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

/** The files of diffusers' CLIPTokenizer, which has no `tokenizer.json`. */
function tokenizerFiles(folder: string, vocabulary: object, padToken: string): Record<string, object | string> {
  return {
    [`${folder}/vocab.json`]: vocabulary,
    [`${folder}/merges.txt`]: "#version: 0.2\n",
    [`${folder}/tokenizer_config.json`]: {
      tokenizer_class: "CLIPTokenizer",
      model_max_length: 77,
      pad_token: padToken,
      unk_token: { content: END },
    },
  };
}
