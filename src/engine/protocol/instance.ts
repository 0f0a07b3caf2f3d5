import { ValidationError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Random } from "../core/random.ts";

/** What to draw; an absent field means the model's own default. */
export interface GenerationRequest {
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** Pixels. */
  readonly width?: number;
  /** Pixels. */
  readonly height?: number;
  readonly numInferenceSteps?: number;
  readonly guidanceScale?: number;
  readonly seed: number;
}

/** The limits of each number, both ends included. */
const LIMITS = {
  width: { min: 64, max: 2048, integer: true },
  height: { min: 64, max: 2048, integer: true },
  num_inference_steps: { min: 1, max: 200, integer: true },
  guidance_scale: { min: 0, max: 20, integer: false },
  seed: { min: -1, max: 2 ** 32 - 1, integer: true },
} as const;

const KEYS = ["prompt", "negative_prompt", ...Object.keys(LIMITS)];
const MAX_PROMPT_CHARACTERS = 10_000;

/**
 * The one instance of a KServe V1 predict body. Null means absent, as it does to a diffusers pipeline; a seed of -1 or
 * none is drawn here.
 *
 * @throws {ValidationError} `invalid_argument` naming the field, what was found and what is allowed
 */
export function parseGenerationRequest(body: unknown, random: Random): GenerationRequest {
  const instance = singleInstance(body);
  const unknown = Object.keys(instance).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw invalid(unknown, "is not a known key", KEYS.join(", "));
  const prompt = parseText(instance, "prompt");
  if (prompt === undefined) throw invalid("prompt", "is missing", "a text");
  const negativePrompt = parseText(instance, "negative_prompt");
  const seed = parseNumber(instance, "seed") ?? -1;
  return {
    prompt,
    ...definedOnly({
      negativePrompt: negativePrompt === "" ? undefined : negativePrompt,
      width: parseNumber(instance, "width"),
      height: parseNumber(instance, "height"),
      numInferenceSteps: parseNumber(instance, "num_inference_steps"),
      guidanceScale: parseNumber(instance, "guidance_scale"),
    }),
    seed: seed === -1 ? random.uint32() : seed,
  };
}

function singleInstance(body: unknown): JsonObject {
  const instances = isJsonObject(body) ? body["instances"] : undefined;
  if (!Array.isArray(instances)) throw invalid("instances", "is missing", "a list with one object");
  const [instance, ...more] = instances as readonly JsonValue[];
  if (more.length > 0) throw invalid("instances", `has ${instances.length} entries`, "a list with one object");
  if (!isJsonObject(instance)) throw invalid("instances[0]", `is ${show(instance)}`, "an object");
  return instance;
}

function parseText(instance: JsonObject, field: string): string | undefined {
  const value = instance[field] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw invalid(field, `is ${show(value)}`, "a text");
  if (value.length > MAX_PROMPT_CHARACTERS) {
    throw invalid(field, `has ${value.length} characters`, `at most ${MAX_PROMPT_CHARACTERS} characters`);
  }
  return value;
}

function parseNumber(instance: JsonObject, field: keyof typeof LIMITS): number | undefined {
  const value = instance[field] ?? undefined;
  if (value === undefined) return undefined;
  const { min, max, integer } = LIMITS[field];
  const isValid = typeof value === "number" && value >= min && value <= max && (!integer || Number.isInteger(value));
  if (!isValid)
    throw invalid(field, `is ${show(value)}`, `${integer ? "an integer" : "a number"} from ${min} to ${max}`);
  return value;
}

function definedOnly<Fields extends Record<string, unknown>>(
  fields: Fields,
): { [Key in keyof Fields]?: NonNullable<Fields[Key]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Fields]?: NonNullable<Fields[Key]>;
  };
}

function show(value: JsonValue | undefined): string {
  return value === undefined ? "missing" : JSON.stringify(value).slice(0, 40);
}

function invalid(field: string, state: string, allowed: string): ValidationError {
  const message = `${field} ${state}; allowed: ${allowed}`;
  return new ValidationError("invalid_argument", message, { publicMessage: message, details: { field, allowed } });
}
