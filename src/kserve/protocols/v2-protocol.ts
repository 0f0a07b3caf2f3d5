import type { V2Mapping, V2Role } from "../../config/v2-mapping.ts";
import type { V1Instance } from "../../wire/v1.ts";
import {
  toV2InferPath,
  toV2ReadyPath,
  V2_MODELS_PATH,
  type V2InferRequest,
  type V2Input,
  type V2ModelMetadata,
  type V2TensorSpec,
  type V2Value,
} from "../../wire/v2.ts";
import { RefusedKeyError, UpstreamError } from "../upstream-error.ts";
import type { ModelProtocol } from "./model-protocol.ts";

export interface V2ProtocolOptions {
  /** `undefined`: the server's default. */
  readonly version: string | undefined;
  /** Empty lists when the model does not describe itself. */
  readonly metadata: V2ModelMetadata;
  readonly mapping: V2Mapping | undefined;
  /** Whether the server can put bytes behind the JSON. */
  readonly hasBinaryExtension: boolean;
}

interface RoleFacts {
  readonly role: V2Role;
  readonly key: keyof V1Instance;
  /** For a model that does not describe itself. */
  readonly datatype: string;
  /** The names that models give to such an input. */
  readonly names: RegExp;
}

const ROLES: readonly RoleFacts[] = [
  { role: "prompt", key: "prompt", datatype: "BYTES", names: /^(?:positive_)?prompt$|^text(?:_input)?$/i },
  { role: "negative_prompt", key: "negative_prompt", datatype: "BYTES", names: /^neg(?:ative)?(?:_prompt)?$/i },
  { role: "width", key: "width", datatype: "INT64", names: /^(?:image_)?width$/i },
  { role: "height", key: "height", datatype: "INT64", names: /^(?:image_)?height$/i },
  { role: "steps", key: "num_inference_steps", datatype: "INT64", names: /^(?:num_)?(?:inference_)?steps$/i },
  { role: "guidance", key: "guidance_scale", datatype: "FP32", names: /^(?:guidance|cfg)(?:_scale)?$/i },
  { role: "seed", key: "seed", datatype: "INT64", names: /^(?:(?:random|rng)_)?seed$/i },
];

const ROLE_KEYS: ReadonlySet<string> = new Set(ROLES.map(({ key }) => key));
/** Triton gives these a meaning of its own. Source: its "Parameters Extension". */
const RESERVED_PARAMETER =
  /^(?:sequence_id|sequence_start|sequence_end|priority|timeout|headers|binary_data_output|triton_.*)$/;

/** The Open Inference Protocol: each value is a tensor, named by the mapping, else by the model's metadata. */
export function createV2Protocol(options: V2ProtocolOptions): ModelProtocol {
  const { version, metadata, mapping, hasBinaryExtension } = options;
  const tensors = planTensors(metadata, mapping);
  const listed = new Set(metadata.inputs.map(({ name }) => name));
  const asksBinary = mapping?.binary ?? hasBinaryExtension;
  const outputName = mapping?.output?.name ?? onlyName(metadata.outputs);
  return {
    name: "v2",
    listPath: V2_MODELS_PATH,
    toReadinessPath: (modelName) => toV2ReadyPath(modelName, version),
    toJob: (modelName, instance) => {
      const inputs: V2Input[] = [];
      const parameters: Record<string, V2Value> = {};
      for (const { role, key } of ROLES) {
        const tensor = tensors.get(role);
        const value = instance[key];
        if (tensor) {
          // Every input that a model lists is required.
          const isRequired = role === "negative_prompt" && listed.has(tensor.name);
          if (value !== undefined || isRequired) inputs.push(toInput(tensor, key, value ?? ""));
        } else if (value !== undefined) {
          if (role === "prompt") throw withoutTextInput(modelName);
          if (role !== "seed") throw new RefusedKeyError(key, { details: { model_name: modelName } });
          parameters["seed"] = value;
        }
      }
      for (const [name, value] of listExtras(instance)) {
        const tensor = metadata.inputs.find((input) => input.name === name);
        if (!isPlain(value) || (!tensor && RESERVED_PARAMETER.test(name))) {
          throw new RefusedKeyError(name, { details: { model_name: modelName } });
        }
        if (tensor) inputs.push(toInput({ ...tensor, shape: toShape(tensor) }, name, value));
        else parameters[name] = value;
      }
      const outputs = toOutputs(outputName, mapping, asksBinary);
      if (asksBinary && outputs === undefined) parameters["binary_data_output"] = true;
      const request: V2InferRequest = {
        inputs,
        ...(outputs && { outputs }),
        ...(Object.keys(parameters).length > 0 && { parameters }),
      };
      return {
        path: toV2InferPath(modelName, version),
        body: JSON.stringify(request),
        mayBePixels: true,
        outputName,
      };
    },
    leaveOut: () => false,
  };
}

/** What an operator adds to every job. */
function listExtras(instance: V1Instance): [string, unknown][] {
  return Object.entries(instance).filter(([key]) => !ROLE_KEYS.has(key));
}

function isPlain(value: unknown): value is V2Value {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** Which tensor carries what; nothing for what the model has no tensor for. */
function planTensors(metadata: V2ModelMetadata, mapping: V2Mapping | undefined): ReadonlyMap<V2Role, V2TensorSpec> {
  const isDescribed = metadata.inputs.length > 0 || Object.keys(mapping?.inputs ?? {}).length > 0;
  const mapped = new Set(Object.values(mapping?.inputs ?? {}).map(({ name }) => name));
  const free = metadata.inputs.filter(({ name }) => !mapped.has(name));
  const plan = new Map<V2Role, V2TensorSpec>();
  for (const { role, key, datatype, names } of ROLES) {
    const given = mapping?.inputs[role];
    const described = given
      ? metadata.inputs.find(({ name }) => name === given.name)
      : free.find(({ name }) => names.test(name));
    if (given) {
      plan.set(role, {
        name: given.name,
        datatype: given.datatype ?? described?.datatype ?? datatype,
        shape: given.shape ?? toShape(described),
      });
    } else if (described) {
      plan.set(role, { ...described, shape: toShape(described) });
    } else if (!isDescribed && role !== "seed") {
      plan.set(role, { name: key, datatype, shape: [1] });
    }
  }
  // A model with one text has that for the prompt, whatever its name.
  const texts = free.filter(({ name, datatype }) => datatype === "BYTES" && !isPlanned(plan, name));
  const [only] = texts;
  if (!plan.has("prompt") && only && texts.length === 1) plan.set("prompt", { ...only, shape: toShape(only) });
  return plan;
}

function isPlanned(plan: ReadonlyMap<V2Role, V2TensorSpec>, name: string): boolean {
  return [...plan.values()].some((tensor) => tensor.name === name);
}

/** One picture: `[1]`, or `[1, 1]` for a model that takes batches. */
function toShape(tensor: V2TensorSpec | undefined): readonly number[] {
  return tensor === undefined || tensor.shape.length === 0 ? [1] : tensor.shape.map(() => 1);
}

function toInput({ name, datatype, shape }: V2TensorSpec, key: string, value: V2Value): V2Input {
  return { name, datatype, shape, data: [toValue(datatype, key, value)] };
}

function toValue(datatype: string, key: string, value: V2Value): V2Value {
  if (datatype === "BYTES") return String(value);
  if (datatype === "BOOL" && typeof value === "boolean") return value;
  if (typeof value !== "number") throw unfit(key, `the model wants ${datatype} for it`);
  if (/^FP|^BF/.test(datatype)) return value;
  // A seed of 32 bits stays itself, whether its highest bit is read as a sign or not.
  if (key === "seed" && datatype === "INT32") return value | 0;
  if (!Number.isInteger(value)) throw unfit(key, "the model takes whole numbers only");
  return value;
}

function toOutputs(
  name: string | undefined,
  mapping: V2Mapping | undefined,
  asksBinary: boolean,
): V2InferRequest["outputs"] {
  if (name === undefined || (mapping?.output === undefined && !asksBinary)) return undefined;
  return [{ name, parameters: { ...mapping?.output?.parameters, ...(asksBinary && { binary_data: true }) } }];
}

function onlyName(tensors: readonly V2TensorSpec[]): string | undefined {
  return tensors.length === 1 ? tensors[0]?.name : undefined;
}

function withoutTextInput(modelName: string): UpstreamError {
  return new UpstreamError("upstream_rejected", {
    state: "the model has no input that is known to take a prompt",
    details: { model_name: modelName, hint: "Name its inputs in KSERVE_V2_MAPPING" },
  });
}

function unfit(key: string, state: string): UpstreamError {
  return new UpstreamError("upstream_rejected", { state: `${key} does not fit: ${state}`, details: { field: key } });
}
