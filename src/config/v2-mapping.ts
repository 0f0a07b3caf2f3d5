import type { SettingKind } from "./setting-kinds.ts";

/** What a tensor of a V2 model may carry. */
export const V2_ROLES = ["prompt", "negative_prompt", "width", "height", "steps", "guidance", "seed"] as const;
export type V2Role = (typeof V2_ROLES)[number];

export const V2_DATATYPES = [
  "BYTES",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "FP16",
  "FP32",
  "FP64",
] as const;
export type V2Datatype = (typeof V2_DATATYPES)[number];

/** An input of the model. What is left out comes from the model's metadata. */
export interface V2InputMapping {
  readonly name: string;
  readonly datatype?: V2Datatype;
  readonly shape?: readonly number[];
}

export interface V2OutputMapping {
  readonly name: string;
  /** Sent with the output's name. */
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
}

/** How a V2 model names what we send and what it answers with. */
export interface V2Mapping {
  readonly inputs: Readonly<Partial<Record<V2Role, V2InputMapping>>>;
  readonly output?: V2OutputMapping;
  /** Whether to ask for the picture as bytes behind the JSON; left out: when the server says that it can. */
  readonly binary?: boolean;
}

const MAX_CHARACTERS = 4096;
const MAX_RANK = 4;
const TOP_KEYS = [...V2_ROLES, "output", "binary"];

/** The setting as a whole: strict, with a fault that names the place. */
export const v2Mapping: SettingKind<V2Mapping> = {
  rule: `must be a JSON object of ${TOP_KEYS.join(", ")}`,
  parse: (text) => {
    const read = readMapping(text);
    return typeof read === "string" ? undefined : read;
  },
  explain: (text) => {
    const read = readMapping(text);
    return typeof read === "string" ? read : undefined;
  },
};

/** The mapping, or what is wrong: the words go on after the name of the setting. */
function readMapping(text: string): V2Mapping | string {
  if (text.length > MAX_CHARACTERS) return `must have at most ${MAX_CHARACTERS} characters`;
  const document = parseObject(text);
  if (document === undefined) return "must be a JSON object";
  const inputs: Partial<Record<V2Role, V2InputMapping>> = {};
  const names = new Set<string>();
  for (const [key, value] of Object.entries(document)) {
    if (key === "output" || key === "binary") continue;
    const role = V2_ROLES.find((known) => known === key);
    if (role === undefined) return `must not have the key ${JSON.stringify(key)}; known are ${TOP_KEYS.join(", ")}`;
    const input = readInput(value);
    if (typeof input === "string") return `must have under ${role} ${input}`;
    if (names.has(input.name)) return `must not name the input ${JSON.stringify(input.name)} twice`;
    names.add(input.name);
    inputs[role] = input;
  }
  const { output, binary } = document;
  if (binary !== undefined && typeof binary !== "boolean") return "must have under binary true or false";
  const readAs = output === undefined ? undefined : readOutput(output);
  if (typeof readAs === "string") return `must have under output ${readAs}`;
  return { inputs, ...(readAs && { output: readAs }), ...(binary !== undefined && { binary }) };
}

function readInput(value: unknown): V2InputMapping | string {
  if (isName(value)) return { name: value };
  if (!isObject(value)) return "the name of an input, or an object of name, datatype, shape";
  const { name, datatype, shape, ...rest } = value;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) return `no key ${JSON.stringify(unknown)}; known are name, datatype, shape`;
  if (!isName(name)) return "a name, which is a text that is not empty";
  const known = V2_DATATYPES.find((candidate) => candidate === datatype);
  if (datatype !== undefined && known === undefined) return `a datatype that is one of ${V2_DATATYPES.join(", ")}`;
  if (shape !== undefined && !isShape(shape)) return `a shape of 1 to ${MAX_RANK} ones, such as [1] or [1, 1]`;
  return { name, ...(known && { datatype: known }), ...(shape !== undefined && { shape }) };
}

function readOutput(value: unknown): V2OutputMapping | string {
  if (isName(value)) return { name: value, parameters: {} };
  if (!isObject(value)) return "the name of an output, or an object of name, parameters";
  const { name, parameters = {}, ...rest } = value;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) return `no key ${JSON.stringify(unknown)}; known are name, parameters`;
  if (!isName(name)) return "a name, which is a text that is not empty";
  if (!isObject(parameters) || !Object.values(parameters).every(isPlain)) {
    return "parameters that are an object of texts, numbers, true and false";
  }
  return { name, parameters: parameters as V2OutputMapping["parameters"] };
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

/** One picture is asked for, so every side is 1. */
function isShape(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length >= 1 && value.length <= MAX_RANK && value.every((side) => side === 1);
}

function isPlain(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
