import { ConfigurationError } from "../core/errors.ts";
import { redactUrls } from "../core/redact-urls.ts";
import { getSettingDefinition, toExampleLine, type SettingName } from "./settings-table.ts";

const MAX_VALUE_CHARACTERS = 100;

/** One thing that is wrong with the configuration. */
export interface SettingFault {
  /** Name of the setting, or the place in a file. */
  readonly name: string;
  /** What stands there, secrets masked; `undefined` when nothing does. */
  readonly value: string | undefined;
  /** Goes on after the name: `must be …`. */
  readonly rule: string;
  /** A line that would be right, such as `PORT=8000`; `undefined` where none can be named. */
  readonly example: string | undefined;
}

/** Every fault of a configuration at once, one line each in the message. Code: `configuration_invalid`. */
export class InvalidSettingsError extends ConfigurationError {
  readonly faults: readonly SettingFault[];

  constructor(faults: readonly SettingFault[]) {
    const lines = faults.map((fault) => `\n  ${toFaultLine(fault)}`).join("");
    const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
    super("configuration_invalid", `Cannot use the settings: ${count}${lines}`);
    this.faults = faults;
  }
}

/** The fault of a setting, with the table's rule and example unless others are given. */
export function createSettingFault(
  name: SettingName,
  value: string | undefined,
  rule = getSettingDefinition(name).kind.rule,
): SettingFault {
  return {
    name,
    value: value === undefined ? undefined : maskSetting(name, value),
    rule,
    example: toExampleLine(name),
  };
}

/** The text of a setting as it may be printed. */
export function maskSetting(name: SettingName, value: string): string {
  return getSettingDefinition(name).secret ? "[redacted]" : redactUrls(value);
}

function toFaultLine({ name, value, rule, example }: SettingFault): string {
  const given = value === undefined ? name : `${name}=${quote(value)}`;
  return `${given} ${rule}${example === undefined ? "" : `, for example ${example}`}`;
}

/** On one line and printable, whatever a value holds. */
function quote(value: string): string {
  const cut = value.length > MAX_VALUE_CHARACTERS ? `${value.slice(0, MAX_VALUE_CHARACTERS)}…` : value;
  return JSON.stringify(cut).replace(/[\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
