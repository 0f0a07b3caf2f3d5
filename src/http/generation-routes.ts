import { MCPImageError, toPublicError, ValidationError } from "../core/errors.ts";
import type { ImageId } from "../core/image-id.ts";
import { isJsonObject } from "../core/json.ts";
import {
  parseGenerateImageParams,
  parseImageOverrides,
  toGenerateImageRequest,
} from "../images/generate-image-params.ts";
import type { GenerateOptions } from "../images/image-jobs.ts";
import type { OwnedImages } from "../images/owned-images.ts";
import type { VariationOutcome } from "../images/variations.ts";
import { toJsonAnswer, type Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import { readJson } from "./json-body.ts";

type Images = Pick<OwnedImages, "generate" | "vary">;

const MAX_WAIT_SECONDS = 600;
const WAIT = /(?:^|,)\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:,|;|$)/i;

/** Starts a picture. Answers at once, unless `Prefer: wait=<seconds>` asks to wait for it. */
export async function generateImage(exchange: Exchange, images: Images): Promise<Answer> {
  const request = toGenerateImageRequest(parseGenerateImageParams(await readJson(exchange)));
  const response = await images.generate(request, toOptions(exchange));
  const isRunning = response.metadata["status"] === "running";
  return toJsonAnswer(response, isRunning ? 202 : 201, ["Location", response.url]);
}

/** Draws a stored picture again, with new seeds or other settings. */
export async function varyImage(exchange: Exchange, images: Images, imageId: ImageId): Promise<Answer> {
  const { count, seeds, ...settings } = toObject(await readJson(exchange));
  const variation = {
    ...(count !== undefined && { count: requireInteger("count", count) }),
    ...(seeds !== undefined && { seeds: requireIntegers("seeds", seeds) }),
    overrides: parseImageOverrides(settings),
  };
  const outcomes = await images.vary(imageId, variation, toOptions(exchange));
  if (outcomes === undefined) throw new MCPImageError("image_not_found", "No such image");
  const [first] = outcomes;
  // One refusal among others stands for itself; when nothing was accepted, that is the answer.
  if (first?.ok === false && outcomes.every(({ ok }) => !ok)) throw first.error;
  const results = outcomes.map((outcome) => (outcome.ok ? outcome.response : toPublicError(outcome.error)));
  return toJsonAnswer({ images: results }, outcomes.some(isUnfinished) ? 202 : 201);
}

function isUnfinished(outcome: VariationOutcome): boolean {
  return outcome.ok && outcome.response.metadata["status"] === "running";
}

function toOptions({ headers, caller }: Exchange): Pick<GenerateOptions, "clientId" | "maxWaitMs"> {
  const prefer = headers["prefer"];
  const [, seconds = "0"] = WAIT.exec(Array.isArray(prefer) ? prefer.join(",") : (prefer ?? "")) ?? [];
  return { clientId: caller.limitId, maxWaitMs: Math.min(Number(seconds), MAX_WAIT_SECONDS) * 1000 };
}

function toObject(body: unknown): Readonly<Record<string, unknown>> {
  if (isJsonObject(body)) return body;
  throw toFault("body", "an object", Array.isArray(body) ? "an array" : String(body).slice(0, 60));
}

function requireInteger(field: string, value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw toFault(field, "an integer", JSON.stringify(value).slice(0, 60));
}

function requireIntegers(field: string, value: unknown): readonly number[] {
  const isSeed = (item: unknown): item is number =>
    typeof item === "number" && Number.isInteger(item) && item >= 0 && item < 2 ** 32;
  if (Array.isArray(value) && value.every((item) => isSeed(item))) return value;
  throw toFault(field, "a list of integers from 0 to 4294967295", JSON.stringify(value).slice(0, 60));
}

function toFault(field: string, allowed: string, value: string): ValidationError {
  return new ValidationError("invalid_argument", `Cannot draw: ${field} is not valid`, {
    publicMessage: `${field} must be ${allowed}, got ${value}`,
    details: { field, value, allowed },
  });
}
