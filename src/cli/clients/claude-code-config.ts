import { KEY_VARIABLE, type ClientEntry } from "./client-entry.ts";
import { keyHeaders, stdioMembers, toJson } from "./json-configs.ts";
import { shellWords } from "./shell-words.ts";

export function claudeCodeConfig(entry: ClientEntry): string {
  const members =
    entry.transport === "stdio"
      ? { type: "stdio", ...stdioMembers(entry) }
      : { type: "http", url: entry.url, ...keyHeaders(entry, `\${${KEY_VARIABLE}}`) };
  return toJson({ mcpServers: { [entry.name]: members } });
}

export function claudeCodeHint(entry: ClientEntry): string {
  return `or run: ${addCommand(entry)}`;
}

function addCommand(entry: ClientEntry): string {
  if (entry.transport === "stdio") {
    const env = Object.entries(entry.env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
    return shellWords(["claude", "mcp", "add", ...env, entry.name, "--", entry.command, ...entry.args]);
  }
  const command = shellWords(["claude", "mcp", "add", "--transport", "http", entry.name, entry.url]);
  // In double quotes: the shell puts the key in.
  return entry.withKey ? `${command} --header "Authorization: Bearer $${KEY_VARIABLE}"` : command;
}
