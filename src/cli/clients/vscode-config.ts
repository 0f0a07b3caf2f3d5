import type { ClientEntry } from "./client-entry.ts";
import { keyHeaders, stdioMembers, toJson } from "./json-configs.ts";

const INPUT_ID = "mcp-image-server-key";

/** It asks for the key once and keeps it in its own secret store. */
export function vscodeConfig(entry: ClientEntry): string {
  if (entry.transport === "stdio") {
    return toJson({ servers: { [entry.name]: { type: "stdio", ...stdioMembers(entry) } } });
  }
  const { name, url, withKey } = entry;
  const input = { type: "promptString", id: INPUT_ID, description: `Key for ${url}`, password: true };
  return toJson({
    ...(withKey && { inputs: [input] }),
    servers: { [name]: { type: "http", url, ...keyHeaders(entry, `\${input:${INPUT_ID}}`) } },
  });
}
