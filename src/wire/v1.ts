import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { sniffImageFormat } from "../core/image-format.ts";
import { findPicture } from "./find-picture.ts";
import type { ScannedBody } from "./picture-scanner.ts";

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

/** What a 2xx answer to a predict request turned out to be. */
export type V1Answer =
  | {
      readonly kind: "picture";
      readonly imageData: Buffer;
      /** The first prediction, for what the runtime reports beside the picture; empty when it is no object. */
      readonly prediction: JsonObject;
    }
  /** A picture whose base64 is not whole. */
  | { readonly kind: "damaged" }
  /** JSON without a picture that says why. */
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "no_picture"; readonly keys: readonly string[] }
  /** JSON whose end is missing. */
  | { readonly kind: "cut_off" }
  | { readonly kind: "not_json"; readonly text: string };

/** Reads the answer to a predict request, of whatever shape. */
export function readV1Answer(body: ScannedBody): V1Answer {
  if (sniffImageFormat(body.text) !== undefined) return { kind: "picture", imageData: body.text, prediction: {} };
  const text = body.text.toString("utf8");
  const document = parseJson(text);
  if (document === undefined) return /^\s*[[{"]/.test(text) ? { kind: "cut_off" } : { kind: "not_json", text };
  const found = findPicture(document, body.picture);
  if (found?.kind === "damaged") return found;
  if (found) return { kind: "picture", imageData: found.imageData, prediction: firstPrediction(document) };
  const error = readErrorText(document);
  if (error !== undefined) return { kind: "error", text: error };
  return { kind: "no_picture", keys: isJsonObject(document) ? Object.keys(document) : [] };
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

/** The words of an error body: `{"error": "…"}` of KServe, `{"detail": …}` of FastAPI; `undefined` for anything else. */
export function parseErrorText(text: string): string | undefined {
  const document = parseJson(text);
  return document === undefined ? undefined : readErrorText(document);
}

function readErrorText(document: JsonValue): string | undefined {
  const source = isJsonObject(document) && !hasError(document) ? firstPrediction(document) : document;
  if (!isJsonObject(source)) return undefined;
  const error = source["error"] ?? source["detail"];
  if (error === undefined || error === null) return undefined;
  return typeof error === "string" ? error : JSON.stringify(error);
}

function hasError(document: JsonObject): boolean {
  return "error" in document || "detail" in document;
}

function firstPrediction(document: JsonValue): JsonObject {
  const predictions = isJsonObject(document) ? document["predictions"] : undefined;
  const first = Array.isArray(predictions) ? predictions[0] : predictions;
  return isJsonObject(first) ? first : {};
}

function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}
