import { ValidationError } from "../../core/errors.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import type { Random } from "../../core/random.ts";
import type { GenerationRequest } from "../generation-request.ts";

/** The most pictures of one request: they are drawn one after another and answered together. */
export const MAX_PICTURES = 16;

/** The limits of each number, both ends included. */
const LIMITS = {
  width: { min: 64, max: 2048, integer: true },
  height: { min: 64, max: 2048, integer: true },
  num_inference_steps: { min: 1, max: 200, integer: true },
  guidance_scale: { min: 0, max: 20, integer: false },
  seed: { min: -1, max: 2 ** 32 - 1, integer: true },
  num_images_per_prompt: { min: 1, max: MAX_PICTURES, integer: true },
} as const;

/** Every key of an instance, in the order of the wire. */
export const INSTANCE_KEYS: readonly string[] = ["prompt", "negative_prompt", ...Object.keys(LIMITS)];

const MAX_PROMPT_CHARACTERS = 10_000;
const SEEDS = 2 ** 32;

/**
 * The pictures that one instance asks for. Null means absent, as it does to a diffusers pipeline; a seed of -1 or none
 * is drawn here. Of several pictures each has the seed after that of the one before, so that each can be repeated alone.
 *
 * @param path what is put before the name of a field, such as `instances[1].`
 * @throws {ValidationError} `invalid_argument` naming the field, what was found and what is allowed
 */
export function parseInstance(instance: JsonObject, random: Random, path = ""): GenerationRequest[] {
  const unknown = Object.keys(instance).find((key) => !INSTANCE_KEYS.includes(key));
  if (unknown !== undefined) throw invalid(path + unknown, "is not a known key", INSTANCE_KEYS.join(", "));
  const read = new FieldReader(instance, path);
  const prompt = read.text("prompt");
  if (prompt === undefined) throw invalid(`${path}prompt`, "is missing", "a text");
  const negativePrompt = read.text("negative_prompt");
  const fields = definedOnly({
    negativePrompt: negativePrompt === "" ? undefined : negativePrompt,
    width: read.number("width"),
    height: read.number("height"),
    numInferenceSteps: read.number("num_inference_steps"),
    guidanceScale: read.number("guidance_scale"),
  });
  const given = read.number("seed") ?? -1;
  const first = given === -1 ? random.uint32() : given;
  const count = read.number("num_images_per_prompt") ?? 1;
  return Array.from({ length: count }, (_, i) => ({ prompt, ...fields, seed: (first + i) % SEEDS }));
}

/** What is wrong with a field, in words for the caller. */
export function invalid(field: string, state: string, allowed: string): ValidationError {
  const message = `${field} ${state}; allowed: ${allowed}`;
  return new ValidationError("invalid_argument", message, { publicMessage: message, details: { field, allowed } });
}

/** A value as it is quoted in a message. */
export function show(value: JsonValue | undefined): string {
  return value === undefined ? "missing" : JSON.stringify(value).slice(0, 40);
}

/** @throws {ValidationError} when a request asks for more pictures than are drawn at once */
export function checkPictureCount(requests: readonly GenerationRequest[]): readonly GenerationRequest[] {
  if (requests.length <= MAX_PICTURES) return requests;
  throw invalid("the number of pictures", `is ${requests.length}`, `at most ${MAX_PICTURES} in one request`);
}

class FieldReader {
  readonly #instance: JsonObject;
  readonly #path: string;

  constructor(instance: JsonObject, path: string) {
    this.#instance = instance;
    this.#path = path;
  }

  text(field: string): string | undefined {
    const value = this.#instance[field] ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw invalid(this.#path + field, `is ${show(value)}`, "a text");
    if (value.length > MAX_PROMPT_CHARACTERS) {
      const allowed = `at most ${MAX_PROMPT_CHARACTERS} characters`;
      throw invalid(this.#path + field, `has ${value.length} characters`, allowed);
    }
    return value;
  }

  number(field: keyof typeof LIMITS): number | undefined {
    const value = this.#instance[field] ?? undefined;
    if (value === undefined) return undefined;
    const { min, max, integer } = LIMITS[field];
    const isValid = typeof value === "number" && value >= min && value <= max && (!integer || Number.isInteger(value));
    if (isValid) return value;
    const allowed = `${integer ? "an integer" : "a number"} from ${min} to ${max}`;
    throw invalid(this.#path + field, `is ${show(value)}`, allowed);
  }
}

function definedOnly<Fields extends Record<string, unknown>>(
  fields: Fields,
): { [Key in keyof Fields]?: NonNullable<Fields[Key]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Fields]?: NonNullable<Fields[Key]>;
  };
}
