import { isJsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "./parse-json.ts";

/** Format: OpenAI "Create image", with the keys that vLLM-Omni and OpenVINO Model Server add for diffusion. */
export interface OpenAiImageRequest {
  readonly model: string;
  readonly prompt: string;
  readonly n: 1;
  /** `WIDTHxHEIGHT`. */
  readonly size?: string;
  readonly response_format?: "b64_json";
  readonly negative_prompt?: string;
  readonly num_inference_steps?: number;
  readonly guidance_scale?: number;
  readonly seed?: number;
  /** The seed's name in OpenVINO Model Server. */
  readonly rng_seed?: number;
}

export interface OpenAiModels {
  readonly names: readonly string[];
  readonly isOpenVino: boolean;
}

/** A list of models in OpenAI's form with at least one entry; `undefined` for anything else. */
export function parseOpenAiModels(text: string): OpenAiModels | undefined {
  const document = parseJson(text);
  if (!isJsonObject(document) || !Array.isArray(document["data"])) return undefined;
  const entries = (document["data"] as readonly JsonValue[]).filter((entry) => isJsonObject(entry));
  const names = entries.flatMap(({ id }) => (typeof id === "string" ? [id] : []));
  if (names.length === 0) return undefined;
  return {
    names,
    isOpenVino: entries.some(({ owned_by: owner }) => typeof owner === "string" && /^ovms$/i.test(owner)),
  };
}
