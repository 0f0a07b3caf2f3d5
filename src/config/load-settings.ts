import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { isErrno } from "../core/errors.ts";
import { buildSettings } from "./build-settings.ts";
import { listSigningWarnings } from "./check-signing.ts";
import {
  findSettings,
  type FoundSettings,
  type SettingLayer,
  type SettingSource,
  type SettingWarning,
} from "./find-settings.ts";
import { parseEnvFile } from "./parse-env-file.ts";
import { InvalidSettingsError, maskSetting, type SettingFault } from "./setting-fault.ts";
import { SETTING_NAMES, type SettingName } from "./settings-table.ts";
import type { Settings } from "./settings.ts";

export interface LoadSettingsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A `.env` file; the environment wins over it. A missing one is a fault only when it is `required`. */
  readonly envFile?: { readonly path: string; readonly required: boolean };
  /** Defaults for someone at a desk; they win over those of the table. */
  readonly defaults?: Readonly<Partial<Record<SettingName, string>>>;
  /** For commands that generate pictures: `KSERVE_ENDPOINT` must be set. Default: false. */
  readonly requireEndpoint?: boolean;
  /** For certificates. Default: the time of this machine. */
  readonly nowMs?: number;
}

export interface LoadedSettings {
  readonly settings: Settings;
  readonly warnings: readonly SettingWarning[];
  readonly sources: Readonly<Record<SettingName, SettingSource>>;
  /** Every value as text, secrets masked; `undefined` when there is none. */
  readonly texts: Readonly<Record<SettingName, string | undefined>>;
}

/**
 * Reads the settings from the environment, a `.env` file, secret files and defaults.
 *
 * @throws {InvalidSettingsError} every fault at once
 */
export function loadSettings(options: LoadSettingsOptions): LoadedSettings {
  const envFile = readEnvFile(options.envFile);
  const { found, faults, warnings } = findSettings([
    { source: "environment", values: options.env },
    { source: ".env", values: envFile.values },
    { source: "person-default", values: options.defaults ?? {} },
  ]);
  const { requireEndpoint = false, nowMs = systemClock.nowMs() } = options;
  const built = buildSettings(found, { requireEndpoint, nowMs });
  // A setting that was given wrongly is not missing as well.
  const given = new Set(faults.map(({ name }) => name.replace(/_FILE$/, "")));
  const allFaults = [...envFile.faults, ...faults, ...built.faults.filter(({ name }) => !given.has(name))];
  if (built.settings === undefined || allFaults.length > 0) throw new InvalidSettingsError(allFaults);
  return {
    settings: built.settings,
    warnings: [
      ...warnings,
      ...listUnreadable(found),
      ...listNoModel(found),
      ...listTlsWarnings(found),
      ...listIgnored(found, built.settings),
      ...listSigningWarnings(built.settings.images.signing, nowMs),
    ],
    sources: mapSettings((name) => found.get(name)?.source ?? "unset"),
    texts: mapSettings((name) => {
      const text = found.get(name)?.text;
      return text === undefined ? undefined : maskSetting(name, text);
    }),
  };
}

/**
 * The settings of an environment alone, without a `.env` file.
 *
 * @throws {InvalidSettingsError} every fault at once
 */
export function parseSettings(
  env: LoadSettingsOptions["env"],
  options: Pick<LoadSettingsOptions, "requireEndpoint"> = {},
): Settings {
  return loadSettings({ env, ...options }).settings;
}

function readEnvFile(file: LoadSettingsOptions["envFile"]): {
  values: SettingLayer["values"];
  faults: readonly SettingFault[];
} {
  if (file === undefined) return { values: {}, faults: [] };
  let text: string;
  try {
    text = readFileSync(file.path, "utf8");
  } catch (error) {
    // A folder named `.env` is a common name for a Python environment.
    if (!file.required && isErrno(error, "ENOENT", "EISDIR")) return { values: {}, faults: [] };
    const code = isErrno(error, "ENOENT") ? "there is none" : "it cannot be read";
    return {
      values: {},
      faults: [{ name: file.path, value: undefined, rule: `must be a file, but ${code}`, example: undefined }],
    };
  }
  const { values, faultyLines } = parseEnvFile(text);
  const faults = faultyLines.map((line) => ({
    // The line itself may hold a secret.
    name: `${file.path} line ${line}`,
    value: undefined,
    rule: "must be NAME=value, with matching quotes if any",
    example: "PORT=8000",
  }));
  return { values, faults };
}

/** What someone set and what has no effect. */
function listIgnored(found: FoundSettings["found"], { storage, engine, access }: Settings): SettingWarning[] {
  const warnings: SettingWarning[] = [];
  const note = (name: SettingName, otherwise: string): void => {
    const setting = found.get(name);
    if (setting === undefined || setting.source === "default") return;
    warnings.push({ name, message: `${name} (${setting.source}) has no effect while ${otherwise}` });
  };
  if (storage.backend === "file") note("S3_BUCKET", "STORAGE_BACKEND is file");
  const { mode } = access.auth;
  if (mode !== "token") note("API_KEYS", `AUTH_MODE is ${mode}`);
  if (mode !== "oauth") note("OAUTH_ISSUER", `AUTH_MODE is ${mode}`);
  if (mode === "none") note("IMAGE_SHARING", "AUTH_MODE is none");
  if (engine.executor === "wasm" && engine.threads !== 1) note("ENGINE_THREADS", "ENGINE_EXECUTOR is wasm");
  return warnings;
}

const TLS_SETTINGS = [
  "KSERVE_SERVERNAME",
  "KSERVE_CA_FILE",
  "KSERVE_CLIENT_CERT_FILE",
  "KSERVE_INSECURE_SKIP_VERIFY",
] as const;

/** Trust that is set and not used, or given up. */
function listTlsWarnings(found: FoundSettings["found"]): SettingWarning[] {
  const isPlain = /^http:/i.test(found.get("KSERVE_ENDPOINT")?.text ?? "");
  return TLS_SETTINGS.flatMap((name) => {
    const setting = found.get(name);
    if (setting === undefined || setting.source === "default" || setting.text.toLowerCase() === "false") return [];
    if (isPlain) {
      return [{ name, message: `${name} (${setting.source}) has no effect while KSERVE_ENDPOINT begins with http://` }];
    }
    if (name !== "KSERVE_INSECURE_SKIP_VERIFY") return [];
    const risk = "anybody on the way to the endpoint can read the token and the prompts";
    return [{ name, message: `${name} (${setting.source}) accepts any certificate: ${risk}` }];
  });
}

/** What every diffusers export has at its top. */
const MODEL_INDEX = "model_index.json";
const FILE_SETTINGS = ["KSERVE_CA_FILE", "KSERVE_CLIENT_CERT_FILE", "KSERVE_CLIENT_KEY_FILE"] as const;

/** A file may still be mounted, but most often its path is wrong. */
function listUnreadable(found: FoundSettings["found"]): SettingWarning[] {
  return FILE_SETTINGS.flatMap((name) => {
    const setting = found.get(name);
    if (setting === undefined || isReadableFile(setting.text)) return [];
    return [{ name, message: `${name} (${setting.source}) names a file that cannot be read: ${setting.text}` }];
  });
}

/** A model may still be mounted, too. */
function listNoModel(found: FoundSettings["found"]): SettingWarning[] {
  const setting = found.get("MODEL_PATH");
  if (setting === undefined || isReadableFile(join(setting.text, MODEL_INDEX))) return [];
  const message = `MODEL_PATH (${setting.source}) names a folder without a readable ${MODEL_INDEX}: ${setting.text}`;
  return [{ name: "MODEL_PATH", message }];
}

function isReadableFile(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function mapSettings<Value>(get: (name: SettingName) => Value): Record<SettingName, Value> {
  return Object.fromEntries(SETTING_NAMES.map((name) => [name, get(name)])) as Record<SettingName, Value>;
}
