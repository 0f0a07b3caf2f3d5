import { codexConfig, codexHint } from "./codex-config.ts";
import { claudeCodeConfig, claudeCodeHint } from "./claude-code-config.ts";
import { claudeDesktopConfig, claudeDesktopHint } from "./claude-desktop-config.ts";
import type { ClientEntry } from "./client-entry.ts";
import { gooseConfig } from "./goose-config.ts";
import { cursorConfig, geminiConfig, windsurfConfig, zedConfig } from "./json-configs.ts";
import { vscodeConfig } from "./vscode-config.ts";

/** One MCP client: where its configuration is, and what it wants to read there. */
export interface ClientKind {
  readonly title: string;
  /** The file that the text belongs into; `~` and `%APPDATA%` as the platform's people write them. */
  readonly file: (platform: NodeJS.Platform) => string;
  readonly print: (entry: ClientEntry) => string;
  /** What else a person may want to know, in one line. */
  readonly hint?: (entry: ClientEntry) => string | undefined;
}

/** The clients that `print-config` knows, by the name that it takes. */
export const CLIENT_KINDS = {
  "claude-code": {
    title: "Claude Code",
    file: () => ".mcp.json in the folder of the project",
    print: claudeCodeConfig,
    hint: claudeCodeHint,
  },
  "claude-desktop": {
    title: "Claude Desktop",
    file: (platform) => {
      if (platform === "win32") return String.raw`%APPDATA%\Claude\claude_desktop_config.json`;
      return platform === "darwin"
        ? "~/Library/Application Support/Claude/claude_desktop_config.json"
        : "~/.config/Claude/claude_desktop_config.json";
    },
    print: claudeDesktopConfig,
    hint: claudeDesktopHint,
  },
  cursor: {
    title: "Cursor",
    file: (platform) => `${underHome(platform, ".cursor/mcp.json")}, or .cursor/mcp.json in the folder of the project`,
    print: cursorConfig,
  },
  vscode: {
    title: "VS Code",
    file: () => ".vscode/mcp.json in the folder of the project",
    print: vscodeConfig,
    hint: () => "for all projects: the command `MCP: Open User Configuration`, with the same text",
  },
  goose: {
    title: "Goose",
    file: (platform) =>
      platform === "win32" ? String.raw`%APPDATA%\Block\goose\config\config.yaml` : "~/.config/goose/config.yaml",
    print: gooseConfig,
    hint: () => "`extensions:` may be there already; then add what is below it",
  },
  codex: {
    title: "Codex",
    file: (platform) => underHome(platform, ".codex/config.toml"),
    print: codexConfig,
    hint: codexHint,
  },
  "gemini-cli": {
    title: "Gemini CLI",
    file: (platform) =>
      `${underHome(platform, ".gemini/settings.json")}, or .gemini/settings.json in the folder of the project`,
    print: geminiConfig,
  },
  zed: {
    title: "Zed",
    file: (platform) =>
      platform === "win32" ? String.raw`%APPDATA%\Zed\settings.json` : "~/.config/zed/settings.json",
    print: zedConfig,
  },
  windsurf: {
    title: "Windsurf",
    file: (platform) => underHome(platform, ".codeium/windsurf/mcp_config.json"),
    print: windsurfConfig,
  },
} satisfies Record<string, ClientKind>;

export type ClientName = keyof typeof CLIENT_KINDS;

export const CLIENT_NAMES = Object.keys(CLIENT_KINDS) as readonly ClientName[];

export function getClientKind(name: ClientName): ClientKind {
  return CLIENT_KINDS[name];
}

function underHome(platform: NodeJS.Platform, path: string): string {
  return platform === "win32" ? `%USERPROFILE%\\${path.replaceAll("/", "\\")}` : `~/${path}`;
}
