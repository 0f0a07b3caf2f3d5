import { isJsonObject } from "../core/json.ts";
import { parseJson } from "./parse-json.ts";

/**
 * One instance of a V1 predict request to a text-to-image model. Absent keys are left out: runtimes fail on null.
 * Format: KServe "V1 Protocol", with the keys of a diffusers pipeline.
 */
export interface V1Instance {
  readonly prompt: string;
  readonly negative_prompt?: string;
  readonly width?: number;
  readonly height?: number;
  readonly num_inference_steps?: number;
  readonly guidance_scale?: number;
  readonly seed?: number;
}

export type V1OptionalKey = Exclude<keyof V1Instance, "prompt">;

/** Every key that may be missing, in the order of the wire. */
export const V1_OPTIONAL_KEYS = [
  "negative_prompt",
  "width",
  "height",
  "num_inference_steps",
  "guidance_scale",
  "seed",
] as const satisfies readonly V1OptionalKey[];

export const V1_MODELS_PATH = "/v1/models";

/** The readiness of a model. */
export function toV1ModelPath(modelName: string): string {
  return `${V1_MODELS_PATH}/${encodeURIComponent(modelName)}`;
}

export function toV1PredictPath(modelName: string): string {
  return `${toV1ModelPath(modelName)}:predict`;
}

/** How far a job is: a route of the built-in engine, not of KServe. */
export function toProgressPath(modelName: string, requestId: string): string {
  return `${toV1ModelPath(modelName)}/progress?request_id=${encodeURIComponent(requestId)}`;
}

/** The names in a model list, in KServe's form (`models`) or OpenAI's (`data`); `undefined` for anything else. */
export function parseModelNames(text: string): string[] | undefined {
  const document = parseJson(text);
  if (!isJsonObject(document)) return undefined;
  const { models, data } = document;
  if (Array.isArray(models)) return models.filter((name) => typeof name === "string");
  if (!Array.isArray(data)) return undefined;
  return data.flatMap((entry) => (isJsonObject(entry) && typeof entry["id"] === "string" ? [entry["id"]] : []));
}

/** Whether a 2xx answer to a readiness request says ready; servers with an empty body or another JSON mean yes. */
export function parseModelReady(text: string): boolean {
  const document = parseJson(text);
  return !isJsonObject(document) || document["ready"] !== false;
}

/** Whether an answer to a readiness request says that `toProgressPath()` is answered. */
export function parseHasProgress(text: string): boolean {
  const document = parseJson(text);
  return isJsonObject(document) && document["progress"] === true;
}

/** How many of its steps a job has done; `undefined` while it waits, and for anything else. */
export function parseProgress(text: string): { readonly step: number; readonly totalSteps: number } | undefined {
  const document = parseJson(text);
  if (!isJsonObject(document)) return undefined;
  const { step, total_steps: totalSteps, picture = 1, pictures = 1 } = document;
  const counts = [step, totalSteps, picture, pictures];
  if (!counts.every((count) => typeof count === "number" && Number.isSafeInteger(count) && count >= 0))
    return undefined;
  const [done, total, current, all] = counts.map(Number);
  if (done === undefined || !total || !current || !all || done > total || current > all) return undefined;
  return { step: (current - 1) * total + done, totalSteps: all * total };
}
