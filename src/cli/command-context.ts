import { loadSettings, type LoadedSettings } from "../config/load-settings.ts";
import { loadLogDestination } from "../logging/log-destination.ts";
import { configureLogging, getLogger } from "../logging/logger.ts";
import { deskDefaults } from "./desk-defaults.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What every command gets from the outside. */
export interface CommandContext {
  readonly env: Environment;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly version: string;
}

export interface SettingsOptions {
  /** A file given by name must exist; `.env` in the working folder need not. */
  readonly envFile?: string | undefined;
  /** Take the defaults for a person at a desk. */
  readonly desk: boolean;
  readonly requireEndpoint: boolean;
  /** Settings given on the command line; they win over the environment. */
  readonly overrides?: Environment;
}

/**
 * Loads the settings, configures logging by them, and logs what looks like a mistake.
 *
 * @throws {InvalidSettingsError}
 */
export async function prepareSettings(context: CommandContext, options: SettingsOptions): Promise<LoadedSettings> {
  const loaded = loadSettings({
    env: withOverrides(context.env, options.overrides ?? {}),
    envFile: { path: options.envFile ?? ".env", required: options.envFile !== undefined },
    requireEndpoint: options.requireEndpoint,
    ...(options.desk && { defaults: deskDefaults(context.env) }),
  });
  const { name, logLevel, logFormat } = loaded.settings.service;
  const isTerminal = context.stderr.isTTY;
  const destination = await loadLogDestination({ format: logFormat, isTerminal, env: context.env });
  configureLogging({ service: name, level: logLevel, destination });
  for (const warning of loaded.warnings) {
    getLogger("config").warn("setting_suspicious", { name: warning.name, message: warning.message });
  }
  return loaded;
}

/** An override hides every spelling of its name. */
function withOverrides(env: Environment, overrides: Environment): Environment {
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  const names = new Set(given.map(([name]) => name.toUpperCase()));
  const rest = Object.entries(env).filter(([name]) => !names.has(name.toUpperCase()));
  return Object.fromEntries([...rest, ...given]);
}
