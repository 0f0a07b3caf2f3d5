import type { LoadedSettings } from "./load-settings.ts";
import {
  SETTING_GROUPS,
  SETTING_NAMES,
  getSettingDefinition,
  toExampleLine,
  type SettingName,
} from "./settings-table.ts";

const COMMENT_COLUMNS = 100;

/** The tables of `docs/configuration.md`, one per group. */
export function printSettingsMarkdown(): string {
  const tables = SETTING_GROUPS.map((group) => {
    const rows = namesOf(group).map((name) => {
      const { kind, default: fallback, description, secret } = getSettingDefinition(name);
      const names = secret ? `\`${name}\`, \`${name}_FILE\`` : `\`${name}\``;
      const cells = [names, fallback === undefined ? "" : `\`${fallback}\``, description, sentence(kind.rule)];
      return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
    });
    return [`### ${group}`, "", "| name | default | what it does | rule |", "|---|---|---|---|", ...rows].join("\n");
  });
  return `${tables.join("\n\n")}\n`;
}

/** The text of `.env.example`: every setting, commented out, with its default or an example. */
export function printEnvExample(): string {
  const groups = SETTING_GROUPS.map((group) => {
    const entries = namesOf(group).map((name) => {
      const { description, kind, default: fallback } = getSettingDefinition(name);
      const remark = `${description.replaceAll("`", "")} ${sentence(kind.rule)}${fallback === undefined ? " No default." : ""}`;
      return [...wrap(remark).map((line) => `# ${line}`), `#${toExampleLine(name)}`].join("\n");
    });
    return [`# ---- ${group} ----`, ...entries].join("\n\n");
  });
  const head = wrap(
    "Settings of mcp-image-server. Copy this file to .env and remove the # before what you change. " +
      "The environment wins over this file. See docs/configuration.md.",
  ).map((line) => `# ${line}`);
  return `${[head.join("\n"), ...groups].join("\n\n")}\n`;
}

/** One line per setting with its value, secrets masked, and where it came from. */
export function printSettings({ sources, texts }: Pick<LoadedSettings, "sources" | "texts">): string {
  const lines = SETTING_NAMES.map((name) => {
    const text = texts[name];
    return { source: sources[name], assignment: text === undefined ? `# ${name}` : `${name}=${text}` };
  });
  const width = Math.max(...lines.map(({ assignment }) => assignment.length));
  return lines.map(({ assignment, source }) => `${assignment.padEnd(width)}  # ${source}\n`).join("");
}

function namesOf(group: (typeof SETTING_GROUPS)[number]): SettingName[] {
  return SETTING_NAMES.filter((name) => getSettingDefinition(name).group === group);
}

function sentence(rule: string): string {
  return `${rule.charAt(0).toUpperCase()}${rule.slice(1)}.`;
}

/** Lines of whole words, so long as no word is longer than a line. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > COMMENT_COLUMNS) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
