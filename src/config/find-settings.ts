import { readFileSync } from "node:fs";
import { suggestSettingName } from "./near-miss.ts";
import { createSettingFault, type SettingFault } from "./setting-fault.ts";
import { SETTING_NAMES, getSettingDefinition, type SettingName } from "./settings-table.ts";

/** Where the value of a setting came from; `person-default` is a default for someone at a desk. */
export type SettingSource = "environment" | ".env" | "person-default" | "default" | "unset";

/** Names and texts of one place, before any rule. */
export interface SettingLayer {
  readonly source: "environment" | ".env" | "person-default";
  readonly values: Readonly<Record<string, string | undefined>>;
}

export interface SettingWarning {
  /** The name as it was found. */
  readonly name: string;
  readonly message: string;
}

interface FoundSetting extends FoundText {
  readonly source: SettingSource;
}

interface FoundText {
  readonly text: string;
  /** The secret file that holds it. */
  readonly file?: string;
}

export interface FoundSettings {
  readonly found: ReadonlyMap<SettingName, FoundSetting>;
  readonly faults: readonly SettingFault[];
  readonly warnings: readonly SettingWarning[];
}

type Spellings = ReadonlyMap<string, readonly { readonly spelling: string; readonly text: string }[]>;

const MAX_SECRET_BYTES = 65_536;

/** The text of every setting: the first layer that has it wins, then the default of the table. */
export function findSettings(layers: readonly SettingLayer[]): FoundSettings {
  const found = new Map<SettingName, FoundSetting>();
  const faults: SettingFault[] = [];
  const spellings = layers.map((layer) => groupSpellings(layer.values));
  for (const name of SETTING_NAMES) {
    for (const [index, layer] of layers.entries()) {
      const foundText = findInLayer(name, spellings[index] ?? new Map(), faults);
      if (foundText === undefined) continue;
      found.set(name, { ...foundText, source: layer.source });
      break;
    }
    const fallback = getSettingDefinition(name).default;
    if (!found.has(name) && fallback !== undefined) found.set(name, { text: fallback, source: "default" });
  }
  return { found, faults, warnings: layers.flatMap(listNearMisses) };
}

/** Names differ in case only, so they are grouped under their upper case. */
function groupSpellings(values: SettingLayer["values"]): Spellings {
  const groups = new Map<string, { spelling: string; text: string }[]>();
  for (const [spelling, text] of Object.entries(values)) {
    if (text === undefined) continue;
    const name = spelling.toUpperCase();
    const group = groups.get(name) ?? [];
    group.push({ spelling, text });
    groups.set(name, group);
  }
  return groups;
}

function findInLayer(name: SettingName, spellings: Spellings, faults: SettingFault[]): FoundText | undefined {
  const { secret, emptyIsValue } = getSettingDefinition(name);
  const text = pickSpelling(name, name, spellings, faults, emptyIsValue);
  const file = secret && pickSpelling(name, `${name}_FILE`, spellings, faults);
  if (file === undefined) return text === undefined ? undefined : { text };
  if (text !== undefined) {
    faults.push(createSettingFault(name, text, `must not be set together with ${name}_FILE`));
    return undefined;
  }
  const secretText = readSecretFile(name, file, faults);
  return secretText === undefined ? undefined : { text: secretText, file };
}

/** The exact name wins; otherwise all spellings must agree. An empty text counts as not set. */
function pickSpelling(
  name: SettingName,
  key: string,
  spellings: Spellings,
  faults: SettingFault[],
  emptyIsValue = false,
): string | undefined {
  const candidates = (spellings.get(key) ?? []).filter(({ text }) => emptyIsValue || text !== "");
  const chosen = candidates.find(({ spelling }) => spelling === key) ?? candidates[0];
  if (chosen === undefined || chosen.spelling === key) return chosen?.text;
  if (candidates.every(({ text }) => text === chosen.text)) return chosen.text;
  const names = candidates.map(({ spelling }) => spelling).join(" and ");
  faults.push(createSettingFault(name, chosen.text, `must be set once, but ${names} differ`));
  return undefined;
}

function readSecretFile(name: SettingName, file: string, faults: SettingFault[]): string | undefined {
  const addFault = (rule: string): undefined => {
    faults.push({
      name: `${name}_FILE`,
      value: file,
      rule,
      example: `${name}_FILE=/run/secrets/${name.toLowerCase()}`,
    });
  };
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    return addFault(`must name a file that can be read (${code})`);
  }
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "") return addFault("must name a file that is not empty");
  if (secret.length > MAX_SECRET_BYTES) return addFault(`must name a file of at most ${MAX_SECRET_BYTES} characters`);
  return secret;
}

function listNearMisses(layer: SettingLayer): SettingWarning[] {
  if (layer.source === "person-default") return [];
  const where = layer.source === "environment" ? "environment" : "ours";
  return Object.keys(layer.values).flatMap((name) => {
    const suggestion = suggestSettingName(name, where);
    if (suggestion === undefined) return [];
    return [{ name, message: `${name} (${layer.source}) is no setting; did you mean ${suggestion}?` }];
  });
}
