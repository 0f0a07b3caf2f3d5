import * as z from "zod";
import { ValidationError } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";
import type { GenerateImageResponse as ImageResponse } from "./image-job.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";
import { GENERATION_DEFAULTS } from "../kserve/model-profiles.ts";

/** The longest prompt that is taken, in UTF-16 code units. */
export const MAX_PROMPT_LENGTH = 10_000;

const MAX_SEED = 2 ** 32 - 1;
/** How many faults one message lists, and how much of a name or value it repeats. */
const MAX_FAULTS = 5;
const MAX_QUOTED = 60;

/** Something that a reader could see: not only blanks, controls and ignorable marks. */
const VISIBLE = /[^\s\p{C}\p{Default_Ignorable_Code_Point}]/u;

const isText = (text: string): boolean => text.isWellFormed();
const isVisible = (text: string): boolean => VISIBLE.test(text);

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

type ImageOverrides = z.output<typeof ImageOverrides>;

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
const ALLOWED: Readonly<Record<Field, string>> = {
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
  return parseParams(GenerateImageParams, argumentsOfCall);
}

/** The settings that shall differ from those of a stored picture, checked as above; the seed is not one of them. */
export function parseImageOverrides(given: unknown): Partial<Omit<GenerateImageRequest, "seed">> {
  return toSettings(parseParams(ImageOverrides, given));
}

/** What the image service is asked for; what the caller left out stays absent, and so does a seed of -1. */
export function toGenerateImageRequest(params: GenerateImageParams): GenerateImageRequest {
  const { prompt, seed } = params;
  return { ...toSettings(params), prompt, ...(seed !== undefined && seed !== -1 && { seed }) };
}

function toSettings(params: ImageOverrides): Partial<Omit<GenerateImageRequest, "seed">> {
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

function parseParams<Schema extends z.ZodObject>(schema: Schema, argumentsOfCall: unknown): z.output<Schema> {
  const given = withoutNulls(argumentsOfCall ?? {});
  // Before zod, which would make a message of a hundred thousand names.
  const unknown = findUnknown(given, Object.keys(schema.shape));
  if (unknown.length > 0) throw toError(unknown);
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw toError(parsed.error.issues.map((issue) => toFault(issue, given)));
}

interface Fault {
  readonly message: string;
  readonly details: { readonly field?: string; readonly value?: string | number; readonly allowed: string };
}

function toError(faults: readonly Fault[]): ValidationError {
  const messages = new Set(faults.map((fault) => fault.message));
  return new ValidationError("invalid_argument", "Cannot draw: an argument is not valid", {
    publicMessage: [...messages].slice(0, MAX_FAULTS).join("; "),
    ...(faults[0] && { details: faults[0].details }),
  });
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

function findUnknown(given: unknown, known: readonly string[]): Fault[] {
  if (!isJsonObject(given)) return [];
  const names = Object.keys(given).filter((name) => !known.includes(name));
  const allowed = known.join(", ");
  return names.slice(0, MAX_FAULTS).map((name) => {
    const field = name.slice(0, MAX_QUOTED);
    return {
      message: `Unknown argument ${JSON.stringify(field)}; allowed are ${allowed}`,
      details: { field, allowed },
    };
  });
}

function toFault(issue: z.core.$ZodIssue, given: unknown): Fault {
  const [field] = issue.path;
  if (!isField(field)) return { message: "The arguments must be an object", details: { allowed: "an object" } };
  const allowed = ALLOWED[field];
  const value = isJsonObject(given) ? given[field] : undefined;
  if (value === undefined)
    return { message: `${field} is missing; it must be ${allowed}`, details: { field, allowed } };
  const isPrompt = field === "prompt" || field === "negative_prompt";
  const shown = describeValue(value, isPrompt);
  const details = { field, value: typeof value === "number" ? value : shown, allowed };
  return { message: `${field} must be ${allowed}, got ${shown}`, details };
}

function isField(name: unknown): name is Field {
  return typeof name === "string" && Object.hasOwn(ALLOWED, name);
}

/** A prompt is told by its length alone: it may be private, and error texts end up in logs of others. */
function describeValue(value: unknown, isPrompt: boolean): string {
  if (typeof value === "string") {
    if (!isPrompt) return JSON.stringify(value.slice(0, MAX_QUOTED));
    if (!isText(value)) return "text with half a character";
    return value.length > 0 && !isVisible(value) ? "invisible text" : `${value.length} characters`;
  }
  if (typeof value === "number" || typeof value === "boolean" || value === null) return String(value);
  return Array.isArray(value) ? "an array" : "an object";
}
