import { KEY_PLACEHOLDER, KEY_VARIABLE, type ClientEntry } from "./client-entry.ts";
import { stdioMembers, toJson } from "./json-configs.ts";

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Its file knows processes only: a server with a URL is reached through the bridge `mcp-remote`. */
export function claudeDesktopConfig(entry: ClientEntry): string {
  const members = entry.transport === "stdio" ? stdioMembers(entry) : bridge(entry);
  return toJson({ mcpServers: { [entry.name]: members } });
}

export function claudeDesktopHint(entry: ClientEntry): string {
  return entry.transport === "http" && entry.url.startsWith("https:")
    ? `or, without a file: Settings > Connectors > Add custom connector, with ${entry.url}`
    : "restart Claude Desktop afterwards";
}

function bridge({ url, withKey }: ClientEntry & { transport: "http" }): Record<string, unknown> {
  const { protocol, hostname } = new URL(url);
  // The bridge refuses plain HTTP to other machines unless told otherwise.
  const plain = protocol === "http:" && !LOOPBACK.test(hostname) ? ["--allow-http"] : [];
  // Without a space behind the colon: the client passes arguments with spaces wrongly on Windows.
  const header = withKey ? ["--header", `Authorization:\${${KEY_VARIABLE}}`] : [];
  return {
    command: "npx",
    args: ["-y", "mcp-remote", url, ...plain, ...header],
    ...(withKey && { env: { [KEY_VARIABLE]: `Bearer ${KEY_PLACEHOLDER}` } }),
  };
}
