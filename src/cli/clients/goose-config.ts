import { ENTRY_DESCRIPTION, KEY_VARIABLE, type ClientEntry } from "./client-entry.ts";

/** A picture may wait for others at the model server. */
const TIMEOUT_SECONDS = 300;

/** YAML; every text is written as JSON, which YAML reads. */
export function gooseConfig(entry: ClientEntry): string {
  const common = [
    `enabled: true`,
    `name: ${entry.name}`,
    `description: ${ENTRY_DESCRIPTION}`,
    `timeout: ${TIMEOUT_SECONDS}`,
  ];
  const members = [...common, ...(entry.transport === "stdio" ? stdio(entry) : streamableHttp(entry))];
  return ["extensions:", `  ${entry.name}:`, ...members.map((line) => `    ${line}`), ""].join("\n");
}

function stdio({ command, args, env }: ClientEntry & { transport: "stdio" }): string[] {
  return [
    "type: stdio",
    `cmd: ${JSON.stringify(command)}`,
    `args: ${JSON.stringify(args)}`,
    `envs: ${JSON.stringify(env)}`,
  ];
}

function streamableHttp({ url, withKey }: ClientEntry & { transport: "http" }): string[] {
  const headers = withKey ? { Authorization: `Bearer \${${KEY_VARIABLE}}` } : {};
  return [
    "type: streamable_http",
    `uri: ${JSON.stringify(url)}`,
    `headers: ${JSON.stringify(headers)}`,
    "envs: {}",
    `env_keys: ${JSON.stringify(withKey ? [KEY_VARIABLE] : [])}`,
  ];
}
