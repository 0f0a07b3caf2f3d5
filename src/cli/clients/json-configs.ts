import { KEY_PLACEHOLDER, KEY_VARIABLE, type ClientEntry } from "./client-entry.ts";

/** The file of a client that differs from the others in few words only. */
interface JsonShape {
  readonly root: string;
  readonly urlKey: string;
  /** How the key stands in the Authorization header. */
  readonly key: string;
}

/** `undefined` leaves a member out. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** `command`, `args` and, if there are any, `env`: the same in every client. */
export function stdioMembers(entry: ClientEntry & { transport: "stdio" }): Record<string, unknown> {
  const { command, args, env } = entry;
  return { command, args, ...(Object.keys(env).length > 0 && { env }) };
}

/** `Authorization: Bearer` with the client's own word for the key, if the server wants one. */
export function keyHeaders(entry: ClientEntry & { transport: "http" }, key: string): Record<string, unknown> {
  return entry.withKey ? { headers: { Authorization: `Bearer ${key}` } } : {};
}

function printJson(entry: ClientEntry, { root, urlKey, key }: JsonShape): string {
  const members =
    entry.transport === "stdio" ? stdioMembers(entry) : { [urlKey]: entry.url, ...keyHeaders(entry, key) };
  return toJson({ [root]: { [entry.name]: members } });
}

export function cursorConfig(entry: ClientEntry): string {
  return printJson(entry, { root: "mcpServers", urlKey: "url", key: `\${env:${KEY_VARIABLE}}` });
}

export function geminiConfig(entry: ClientEntry): string {
  return printJson(entry, { root: "mcpServers", urlKey: "httpUrl", key: `$${KEY_VARIABLE}` });
}

export function zedConfig(entry: ClientEntry): string {
  return printJson(entry, { root: "context_servers", urlKey: "url", key: KEY_PLACEHOLDER });
}

export function windsurfConfig(entry: ClientEntry): string {
  return printJson(entry, { root: "mcpServers", urlKey: "serverUrl", key: KEY_PLACEHOLDER });
}
