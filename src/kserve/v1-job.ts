import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { V1_OPTIONAL_KEYS, type V1Instance, type V1OptionalKey } from "../wire/v1.ts";
import type { GenerateImageRequest, SeedReport } from "./generated-image.ts";

/** Values that a trusted engine reports are bounded: this many, each text this long. */
const MAX_REPORTED = 20;
const MAX_REPORTED_TEXT = 300;

/** The request as it goes on the wire, without the keys that the model refused before. */
export function toV1Instance(
  request: GenerateImageRequest,
  seed: number,
  refusedKeys: ReadonlySet<V1OptionalKey>,
): V1Instance {
  const values: Record<V1OptionalKey, string | number | undefined> = {
    negative_prompt: request.negativePrompt,
    width: request.width,
    height: request.height,
    num_inference_steps: request.numInferenceSteps,
    guidance_scale: request.guidanceScale,
    seed,
  };
  const sent = V1_OPTIONAL_KEYS.filter((key) => values[key] !== undefined && !refusedKeys.has(key));
  return { prompt: request.prompt, ...Object.fromEntries(sent.map((key) => [key, values[key]])) };
}

/** The optional key of this name, or `undefined` for a name that we never send. */
export function toOptionalKey(name: string | undefined): V1OptionalKey | undefined {
  return V1_OPTIONAL_KEYS.find((key) => key === name);
}

/** Whether the seed was used: only an echo proves it, only a dropped key or another echo disproves it. */
export function toSeedReport(
  requested: number | undefined,
  sent: number | undefined,
  prediction: JsonObject,
): SeedReport {
  const echoed = findEchoedSeed(prediction);
  return {
    requested: requested ?? null,
    sent: sent ?? null,
    echoed: echoed ?? null,
    honoured: sent === undefined ? false : echoed === undefined ? "unknown" : echoed === sent,
  };
}

/** What we say to the user about keys that the model does not take. */
export function toRefusalWarnings(request: GenerateImageRequest, refusedKeys: ReadonlySet<V1OptionalKey>): string[] {
  const given = toV1Instance(request, 0, new Set());
  return [...refusedKeys]
    .filter((key) => given[key] !== undefined)
    .map((key) =>
      key === "seed"
        ? "The model does not take a seed, so this picture cannot be repeated"
        : `The model does not take ${key}; it was left out`,
    );
}

/** The warnings that a trusted engine gave with the picture. */
export function readEngineWarnings(prediction: JsonObject): string[] {
  const warnings = prediction["warnings"];
  if (!Array.isArray(warnings)) return [];
  return warnings
    .filter((warning) => typeof warning === "string")
    .slice(0, MAX_REPORTED)
    .map((warning) => warning.slice(0, MAX_REPORTED_TEXT));
}

/** The plain values that a trusted engine reported beside what we sent and what has a field of its own. */
export function readEngineReport(prediction: JsonObject): Readonly<Record<string, JsonValue>> {
  const known: ReadonlySet<string> = new Set(["model_name", "prompt", "image", "warnings", ...V1_OPTIONAL_KEYS]);
  const entries = Object.entries(prediction).filter(([key, value]) => !known.has(key) && isPlain(value));
  return Object.fromEntries(entries.slice(0, MAX_REPORTED));
}

function findEchoedSeed(prediction: JsonObject): number | undefined {
  const places = [prediction, prediction["metadata"], prediction["parameters"]];
  for (const place of places) {
    const seed = isJsonObject(place) ? place["seed"] : undefined;
    if (typeof seed === "number") return seed;
  }
  return undefined;
}

function isPlain(value: JsonValue): boolean {
  if (typeof value === "string") return value.length <= MAX_REPORTED_TEXT;
  return typeof value === "number" || typeof value === "boolean";
}
