import { isJsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "./parse-json.ts";

export const V2_PATH = "/v2";
export const V2_MODELS_PATH = "/v2/models";

/** What a server says of itself. */
export interface V2ServerMetadata {
  readonly name: string;
  readonly extensions: readonly string[];
}

/** What a model says of one of its tensors. */
export interface V2TensorSpec {
  readonly name: string;
  readonly datatype: string;
  /** −1 stands for any number. */
  readonly shape: readonly number[];
}

/** Both lists are empty for a model whose author did not describe it. */
export interface V2ModelMetadata {
  readonly inputs: readonly V2TensorSpec[];
  readonly outputs: readonly V2TensorSpec[];
}

/** Never null: KServe answers 422 to that. */
export type V2Value = string | number | boolean;

type V2Parameters = Readonly<Record<string, V2Value>>;

/** An input of one value. */
export interface V2Input extends V2TensorSpec {
  readonly data: readonly [V2Value];
}

/** Format: Open Inference Protocol, "Inference Request JSON Object". */
export interface V2InferRequest {
  readonly inputs: readonly V2Input[];
  readonly outputs?: readonly { readonly name: string; readonly parameters: V2Parameters }[];
  readonly parameters?: V2Parameters;
}

/** The metadata of a model. */
export function toV2ModelPath(modelName: string, version?: string): string {
  const path = `${V2_MODELS_PATH}/${encodeURIComponent(modelName)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}

export function toV2ReadyPath(modelName: string, version?: string): string {
  return `${toV2ModelPath(modelName, version)}/ready`;
}

export function toV2InferPath(modelName: string, version?: string): string {
  return `${toV2ModelPath(modelName, version)}/infer`;
}

/** `undefined` for anything but the metadata of a server. */
export function parseV2ServerMetadata(text: string): V2ServerMetadata | undefined {
  const document = parseJson(text);
  if (!isJsonObject(document) || typeof document["name"] !== "string") return undefined;
  const { name, extensions } = document;
  const listed = Array.isArray(extensions) ? extensions.filter((entry) => typeof entry === "string") : [];
  return { name, extensions: listed };
}

/** `undefined` for anything but the metadata of a model. */
export function parseV2ModelMetadata(text: string): V2ModelMetadata | undefined {
  const document = parseJson(text);
  if (!isJsonObject(document) || !Array.isArray(document["inputs"])) return undefined;
  return { inputs: parseTensors(document["inputs"]), outputs: parseTensors(document["outputs"]) };
}

function parseTensors(value: JsonValue | undefined): V2TensorSpec[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).flatMap((tensor) => {
    if (!isJsonObject(tensor)) return [];
    const { name, datatype, shape } = tensor;
    if (typeof name !== "string" || typeof datatype !== "string" || !Array.isArray(shape)) return [];
    // Some servers write the sides as texts.
    return [{ name, datatype, shape: (shape as readonly JsonValue[]).map(Number) }];
  });
}
