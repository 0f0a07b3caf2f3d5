import { ValidationError, type MCPImageError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";
import type { GenerateImageResponse } from "./image-job.ts";

/** How a new picture differs from the stored one. */
export interface ImageVariation {
  /** 1 to 8. Default: as many as there are seeds, or 1. */
  readonly count?: number;
  /**
   * One for each picture. Without them, other settings are tried with the seed of the stored picture when one picture
   * is asked for, and everything else gets new seeds.
   */
  readonly seeds?: readonly number[];
  /** Settings that replace the stored ones. */
  readonly overrides?: Partial<Omit<GenerateImageRequest, "seed">>;
}

/** What came of one variation. */
export type VariationOutcome =
  | { readonly ok: true; readonly response: GenerateImageResponse }
  | { readonly ok: false; readonly error: MCPImageError };

export const MAX_VARIATIONS = 8;

/** The requests for these variations of a stored picture. @throws {ValidationError} `invalid_argument` */
export function toVariations(source: JsonObject, variation: ImageVariation): GenerateImageRequest[] {
  const { seeds, overrides = {} } = variation;
  const count = variation.count ?? seeds?.length ?? 1;
  if (!Number.isSafeInteger(count) || count < 1 || count > MAX_VARIATIONS) {
    throw invalidField("count", `an integer from 1 to ${MAX_VARIATIONS}`, count);
  }
  if (seeds !== undefined && seeds.length !== count) {
    throw invalidField("seeds", `${count} numbers, one for each picture`, seeds.length);
  }
  const stored = toStoredRequest(source);
  if (stored === undefined) {
    throw new ValidationError("invalid_argument", "Cannot vary the picture: its record has no prompt", {
      publicMessage: "The settings of this picture are not known, so it cannot be drawn again",
      details: { field: "image_id", allowed: "a picture that generate_image made" },
    });
  }
  const { seed, ...settings } = { ...stored, ...overrides };
  const keepsSeed = seeds === undefined && count === 1 && Object.keys(overrides).length > 0;
  if (keepsSeed) return [{ ...settings, ...(seed !== undefined && { seed }) }];
  return Array.from({ length: count }, (_, index) => {
    const given = seeds?.[index];
    return { ...settings, ...(given !== undefined && { seed: given }) };
  });
}

/** The request that a record tells of; `undefined` without a prompt. What the record does not know stays open. */
export function toStoredRequest(record: JsonObject): GenerateImageRequest | undefined {
  const { prompt, negative_prompt: negativePrompt } = record;
  if (typeof prompt !== "string") return undefined;
  const [width, height] = [numberOf(record["width"]), numberOf(record["height"])];
  const numInferenceSteps = numberOf(record["num_inference_steps"]);
  const guidanceScale = numberOf(record["guidance_scale"]);
  const seed = numberOf(record["seed"]);
  return {
    prompt,
    ...(typeof negativePrompt === "string" && { negativePrompt }),
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(numInferenceSteps !== undefined && { numInferenceSteps }),
    ...(guidanceScale !== undefined && { guidanceScale }),
    ...(seed !== undefined && { seed }),
  };
}

function numberOf(value: JsonObject[string] | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function invalidField(field: string, allowed: string, value: number): ValidationError {
  return new ValidationError("invalid_argument", `Cannot vary the picture: ${field} is not valid`, {
    publicMessage: `${field} must be ${allowed}, got ${value}`,
    details: { field, value, allowed },
  });
}
