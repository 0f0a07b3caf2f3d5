import { KEY_VARIABLE, type ClientEntry } from "./client-entry.ts";
import { shellWords } from "./shell-words.ts";

/** `npx` fetches the package at the first start, and a picture may wait for others: both take longer than it allows. */
const STARTUP_SECONDS = 60;
const TOOL_SECONDS = 300;

/** TOML; its basic strings take what JSON writes. */
export function codexConfig(entry: ClientEntry): string {
  const table = `mcp_servers.${entry.name}`;
  const tail = [`startup_timeout_sec = ${STARTUP_SECONDS}`, `tool_timeout_sec = ${TOOL_SECONDS}`];
  if (entry.transport === "http") {
    const key = entry.withKey ? [`bearer_token_env_var = ${JSON.stringify(KEY_VARIABLE)}`] : [];
    return toLines([`[${table}]`, `url = ${JSON.stringify(entry.url)}`, ...key, ...tail]);
  }
  const env = Object.entries(entry.env).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const words = entry.args.map((word) => JSON.stringify(word)).join(", ");
  return toLines([
    `[${table}]`,
    `command = ${JSON.stringify(entry.command)}`,
    `args = [${words}]`,
    ...tail,
    ...(env.length > 0 ? ["", `[${table}.env]`, ...env] : []),
  ]);
}

export function codexHint(entry: ClientEntry): string | undefined {
  if (entry.transport === "http") return undefined;
  const env = Object.entries(entry.env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
  return `or run: ${shellWords(["codex", "mcp", "add", entry.name, ...env, "--", entry.command, ...entry.args])}`;
}

function toLines(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}
