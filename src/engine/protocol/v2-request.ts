import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import type { Random } from "../../core/random.ts";
import type { GenerationRequest } from "../generation-request.ts";
import { checkPictureCount, INSTANCE_KEYS, invalid, parseInstance, show } from "./instance.ts";
import { V2_OUTPUT_NAMES, type V2OutputName } from "./v2-metadata.ts";
import { parseInputTensors, type InputTensor } from "./v2-tensors.ts";

/** What an infer request asks for. */
export interface V2Request {
  readonly id: string | undefined;
  /** One per prompt, times `num_images_per_prompt`. */
  readonly requests: readonly GenerationRequest[];
  readonly outputs: readonly { readonly name: V2OutputName; readonly isBinary: boolean }[];
}

/** Parameters with a meaning of their own, for servers before us or for codecs; they say nothing of the picture. */
const FOREIGN_PARAMETER = /^(?:binary_data_output|content_type|headers|priority|timeout|sequence_.*|triton_.*)$/;

/**
 * Reads the body of an Open Inference Protocol infer request: one tensor per key of an instance, each with one value for
 * all pictures or one per prompt. A key that has no tensor may be a parameter of the request.
 *
 * @param jsonBytes how long the JSON at the start is, when binary tensors follow it
 * @throws {ValidationError} `invalid_argument` naming the field, what was found and what is allowed
 */
export function parseV2Request(body: Buffer, jsonBytes: number | undefined, random: Random): V2Request {
  const document = parseDocument(body, jsonBytes ?? body.length);
  const tensors = parseInputTensors(document["inputs"], body.subarray(jsonBytes ?? body.length));
  const instances = toInstances(tensors, parseParameters(document["parameters"]));
  const { id } = document;
  if (id !== undefined && typeof id !== "string") throw invalid("id", `is ${show(id)}`, "a text");
  const requests = instances.flatMap((instance, i) =>
    parseInstance(instance, random, instances.length === 1 ? "" : `picture ${i}: `),
  );
  return { id, requests: checkPictureCount(requests), outputs: parseOutputs(document) };
}

function parseDocument(body: Buffer, jsonBytes: number): JsonObject {
  if (jsonBytes > body.length) {
    throw invalid("Inference-Header-Content-Length", `is ${jsonBytes}`, `at most the body's ${body.length} bytes`);
  }
  let document: unknown;
  try {
    document = JSON.parse(body.toString("utf8", 0, jsonBytes));
  } catch {
    document = undefined;
  }
  if (isJsonObject(document)) return document;
  throw invalid("the request", "is not a JSON object", "an inference request of the Open Inference Protocol");
}

function parseParameters(parameters: JsonValue | undefined): JsonObject {
  if (parameters === undefined) return {};
  if (!isJsonObject(parameters)) throw invalid("parameters", `is ${show(parameters)}`, "an object");
  const known = Object.entries(parameters).filter(([name]) => !FOREIGN_PARAMETER.test(name));
  const absent = known.find(([, value]) => value === null);
  if (absent) throw invalid(`parameters.${absent[0]}`, "is null", "a text, a number, true or false");
  return Object.fromEntries(known);
}

function toInstances(tensors: readonly InputTensor[], parameters: JsonObject): JsonObject[] {
  const unknown = tensors.find(({ name }) => !INSTANCE_KEYS.includes(name));
  if (unknown) throw invalid(`input ${unknown.name}`, "is not known", INSTANCE_KEYS.join(", "));
  const repeated = tensors.find(({ name }, i) => tensors.findIndex((other) => other.name === name) !== i);
  if (repeated) throw invalid(`input ${repeated.name}`, "is given twice", "each input once");
  const count = tensors.find(({ name }) => name === "prompt")?.values.length ?? 1;
  const unfit = tensors.find(({ values }) => values.length !== count && values.length !== 1);
  if (unfit) throw invalid(`input ${unfit.name}`, `has ${unfit.values.length} values`, `1, or ${count} as prompt has`);
  return Array.from({ length: count }, (_, i) => ({
    ...parameters,
    ...Object.fromEntries(tensors.map(({ name, values }) => [name, values[values.length === 1 ? 0 : i] ?? null])),
  }));
}

function parseOutputs(document: JsonObject): V2Request["outputs"] {
  const parameters = document["parameters"];
  const allBinary = isJsonObject(parameters) && parameters["binary_data_output"] === true;
  const listed = document["outputs"];
  if (listed === undefined) return V2_OUTPUT_NAMES.map((name) => ({ name, isBinary: allBinary }));
  if (!Array.isArray(listed)) throw invalid("outputs", `is ${show(listed)}`, "a list");
  return (listed as readonly JsonValue[]).map((output) => {
    const asked = isJsonObject(output) ? output["name"] : output;
    const name = V2_OUTPUT_NAMES.find((known) => known === asked);
    if (name === undefined) throw invalid("outputs", `name ${show(asked)}`, V2_OUTPUT_NAMES.join(", "));
    const own = isJsonObject(output) ? output["parameters"] : undefined;
    const isBinary = isJsonObject(own) ? own["binary_data"] : undefined;
    return { name, isBinary: typeof isBinary === "boolean" ? isBinary : allBinary };
  });
}
