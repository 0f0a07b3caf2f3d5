import * as z from "zod";
import { isJsonObject } from "../core/json.ts";
import { isText, isVisible, parseParams } from "./checked-params.ts";
import type { GenerateImageResponse as ImageResponse } from "./image-job.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";
import { GENERATION_DEFAULTS } from "../kserve/model-profiles.ts";

/** The longest prompt that is taken, in UTF-16 code units. */
export const MAX_PROMPT_LENGTH = 10_000;

const MAX_SEED = 2 ** 32 - 1;

/**
 * The arguments of `generate_image`. The specified defaults are advertised but not filled in: what the caller left
 * out stays absent, so that a model's own default may hold.
 */
export const GenerateImageParams = z.strictObject({
  prompt: z
    .string()
    .min(1)
    .max(MAX_PROMPT_LENGTH)
    .refine(isVisible)
    .refine(isText)
    .describe("What the picture shows: subject, setting, style, light. English works best with most models."),
  negative_prompt: z
    .string()
    .max(MAX_PROMPT_LENGTH)
    .refine(isText)
    .optional()
    .describe("What the picture must not show, such as 'text, watermark, blurry'."),
  width: z
    .int()
    .min(64)
    .max(2048)
    .optional()
    .meta({ description: "Width in pixels.", default: GENERATION_DEFAULTS.width }),
  height: z
    .int()
    .min(64)
    .max(2048)
    .optional()
    .meta({ description: "Height in pixels.", default: GENERATION_DEFAULTS.height }),
  num_inference_steps: z.int().min(1).max(200).optional().meta({
    description: "Denoising steps: more takes longer and adds detail.",
    default: GENERATION_DEFAULTS.numInferenceSteps,
  }),
  guidance_scale: z
    .number()
    .min(1)
    .max(20)
    .optional()
    .meta({ description: "How closely to follow the prompt.", default: GENERATION_DEFAULTS.guidanceScale }),
  seed: z
    .int()
    .min(-1)
    .max(MAX_SEED)
    .optional()
    .describe("Same seed and arguments: same picture, if the model supports it. -1 or absent: random."),
});

export type GenerateImageParams = z.output<typeof GenerateImageParams>;

/** Settings of a picture that another one shall not share. */
export const ImageOverrides = GenerateImageParams.omit({ seed: true }).partial();

export type ImageOverrides = z.output<typeof ImageOverrides>;

/** The answer of `generate_image`; open, so that facts can be added. */
export const GenerateImageResponse = z.looseObject({
  url: z.string().describe("Opens the picture in any browser, and in Markdown."),
  image_id: z.string().describe("Name of the stored picture."),
  metadata: z
    .looseObject({})
    .describe(
      "Facts of the picture: prompt, true width and height, seed (the number used), seed_report, model_name, " +
        "mime_type, size in bytes, created_at, expires_at, generation_seconds, queue_wait_seconds, warnings.",
    ),
});

export type GenerateImageResponse = ImageResponse;

type Field = keyof GenerateImageParams;

/** What each argument may be, as a fault says it. */
export const ALLOWED_SETTINGS: Readonly<Record<Field, string>> = {
  prompt: `text of 1 to ${MAX_PROMPT_LENGTH} characters, at least one of them visible`,
  negative_prompt: `text of at most ${MAX_PROMPT_LENGTH} characters`,
  width: "an integer from 64 to 2048",
  height: "an integer from 64 to 2048",
  num_inference_steps: "an integer from 1 to 200",
  guidance_scale: "a number from 1 to 20",
  seed: `an integer from 0 to ${MAX_SEED}, or -1 for a random one`,
};

/**
 * The arguments of a call, checked.
 *
 * @throws {ValidationError} `invalid_argument`; its words and details name the field, the value and what is allowed,
 * and never repeat a prompt
 */
export function parseGenerateImageParams(argumentsOfCall: unknown): GenerateImageParams {
  return parseParams(GenerateImageParams, ALLOWED_SETTINGS, withoutNulls(argumentsOfCall ?? {}));
}

/** The settings that shall differ from those of a stored picture, checked as above; the seed is not one of them. */
export function parseImageOverrides(given: unknown): Partial<Omit<GenerateImageRequest, "seed">> {
  return toSettings(parseParams(ImageOverrides, ALLOWED_SETTINGS, given ?? {}));
}

/** What the image service is asked for; what the caller left out stays absent, and so does a seed of -1. */
export function toGenerateImageRequest(params: GenerateImageParams): GenerateImageRequest {
  const { prompt, seed } = params;
  return { ...toSettings(params), prompt, ...(seed !== undefined && seed !== -1 && { seed }) };
}

/** The settings that were given. */
export function toSettings(params: ImageOverrides): Partial<Omit<GenerateImageRequest, "seed">> {
  const { prompt, negative_prompt, width, height, num_inference_steps, guidance_scale } = params;
  return {
    ...(prompt !== undefined && { prompt }),
    ...(negative_prompt !== undefined && { negativePrompt: negative_prompt }),
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(num_inference_steps !== undefined && { numInferenceSteps: num_inference_steps }),
    ...(guidance_scale !== undefined && { guidanceScale: guidance_scale }),
  };
}

/** The two arguments whose specified default is null may be given as null. */
function withoutNulls(given: unknown): unknown {
  if (!isJsonObject(given) || (given["negative_prompt"] !== null && given["seed"] !== null)) return given;
  const { negative_prompt, seed, ...rest } = given;
  return {
    ...rest,
    ...(negative_prompt !== null && negative_prompt !== undefined && { negative_prompt }),
    ...(seed !== null && seed !== undefined && { seed }),
  };
}
