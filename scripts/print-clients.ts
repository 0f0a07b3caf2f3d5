import type { ClientEntry } from "../src/cli/clients/client-entry.ts";
import { CLIENT_NAMES, getClientKind, type ClientName } from "../src/cli/clients/client-kinds.ts";
import { toClientEntry } from "../src/cli/clients/to-client-entry.ts";

const STDIO = toClientEntry({ name: "images", env: [] }, "linux");
const HTTP = toClientEntry({ name: "images", env: [], url: "https://images.example.com", key: true });

/** The part of `docs/clients.md` that has a section for each client. */
export function printClientsMarkdown(): string {
  return `${CLIENT_NAMES.map(printClient).join("\n\n")}\n`;
}

function printClient(name: ClientName): string {
  const { title, file, hint } = getClientKind(name);
  const files = [...new Set((["linux", "darwin", "win32"] as const).map((platform) => file(platform)))];
  const hints = [...new Set([hint?.(STDIO), hint?.(HTTP)])].filter((text) => text !== undefined);
  return [
    `### ${title}`,
    "",
    `\`mcp-image-server print-config ${name}\``,
    "",
    "| | |",
    "|---|---|",
    ...files.map((text, index) => `| ${index === 0 ? "file" : ""} | ${cell(text)} |`),
    ...hints.map((text) => `| | ${cell(text)} |`),
    "",
    "A server of its own:",
    "",
    block(name, STDIO),
    "",
    "A running server that wants a key:",
    "",
    block(name, HTTP),
  ].join("\n");
}

function cell(text: string): string {
  const [, before = "", command = ""] = /^(or run: )(.*)$/.exec(text) ?? [];
  return (command === "" ? text : `${before}\`${command}\``).replaceAll("|", String.raw`\|`);
}

function block(name: ClientName, entry: ClientEntry): string {
  const language = { goose: "yaml", codex: "toml" }[name as string] ?? "json";
  return `\`\`\`${language}\n${getClientKind(name).print(entry)}\`\`\``;
}
