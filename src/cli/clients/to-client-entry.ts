import { realpathSync } from "node:fs";
import { suggestSettingName } from "../../config/near-miss.ts";
import { SETTING_NAMES, getSettingDefinition } from "../../config/settings-table.ts";
import { ValidationError } from "../../core/errors.ts";
import type { ClientEntry } from "./client-entry.ts";

export interface EntryOptions {
  readonly name: string;
  /** Of a running server; absent: the client starts one. */
  readonly url?: string;
  /** The server at `url` wants a key. */
  readonly key?: boolean;
  /** Start this very installation instead of the published package. */
  readonly here?: boolean;
  /** `NAME=value`, each. */
  readonly env: readonly string[];
}

const PACKAGE_NAME = "mcp-image-server";

/**
 * What a client is told, from what a person asked for.
 *
 * @throws {ValidationError} names the option that is wrong
 */
export function toClientEntry(
  { name, url, key, here, env }: EntryOptions,
  platform: NodeJS.Platform = process.platform,
): ClientEntry {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw wrong("--name", name, "1 to 64 letters, digits, dashes and underscores");
  }
  if (url !== undefined) {
    if (env.length > 0) throw wrong("--env", env.join(" "), "given without --url: the settings belong to the server");
    return { name, transport: "http", url: toMcpUrl(url), withKey: key === true };
  }
  if (key === true) throw wrong("--key", "", "given with --url: a process of your own asks for no key");
  const settings = Object.fromEntries(env.map(parseSetting));
  if (here === true) {
    const [, program = ""] = process.argv;
    return { name, transport: "stdio", command: process.execPath, args: [realpathSync(program)], env: settings };
  }
  // On Windows `npx` is a script, which clients cannot start without its interpreter.
  return platform === "win32"
    ? { name, transport: "stdio", command: "cmd", args: ["/c", "npx", "-y", PACKAGE_NAME], env: settings }
    : { name, transport: "stdio", command: "npx", args: ["-y", PACKAGE_NAME], env: settings };
}

/** The address of `/mcp`, whether or not the given one reaches so far. */
function toMcpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== "" ||
    url.password !== "" ||
    url.search !== "" ||
    url.hash
  ) {
    // What may hold a password is not repeated.
    const shown = url === undefined || (url.username === "" && url.password === "") ? text : "";
    throw wrong("--url", shown, "an http or https URL without user information, query and fragment");
  }
  const path = url.pathname.replace(/\/+$/, "");
  return `${url.origin}${path.endsWith("/mcp") ? path : `${path}/mcp`}`;
}

function parseSetting(text: string): [string, string] {
  const [, name = "", value = ""] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const setting = SETTING_NAMES.find((known) => known === name || `${known}_FILE` === name);
  if (setting === undefined || (setting !== name && getSettingDefinition(setting).secret !== true)) {
    const suggestion = suggestSettingName(name, "ours");
    throw wrong("--env", text, `NAME=value with the name of a setting${suggestion ? `, such as ${suggestion}` : ""}`);
  }
  if (setting === name && getSettingDefinition(setting).secret === true) {
    // Not repeated: it would stand in the terminal once more.
    throw wrong("--env", `${name}=…`, `no secret: put it into a file and give ${name}_FILE=<its path>`);
  }
  return [name, value];
}

function wrong(option: string, value: string, allowed: string): ValidationError {
  const given = value === "" ? "" : `, got ${JSON.stringify(value)}`;
  const message = `${option} must be ${allowed}${given}`;
  return new ValidationError("invalid_argument", message, { publicMessage: message });
}
