import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { printEnvExample, printSettingsMarkdown } from "../src/config/print-settings.ts";
import { printClientsMarkdown } from "./print-clients.ts";
import { printErrorsMarkdown } from "./print-errors.ts";
import { printKeptSettingsMarkdown, printRemediesMarkdown } from "./print-troubleshooting.ts";
import { printRoutesMarkdown } from "./print-routes.ts";
import { printToolsMarkdown } from "./print-tools.ts";

interface PrintedDocument {
  /** From the root of the repository. */
  readonly path: string;
  /** The part between `<!-- <section> -->` and `<!-- /<section> -->`; absent: the whole file is printed. */
  readonly section?: string;
  readonly print: () => string;
}

/** Every document, or part of one, that is printed from the code. */
export const PRINTED_DOCUMENTS: readonly PrintedDocument[] = [
  { path: "docs/configuration.md", section: "settings", print: printSettingsMarkdown },
  { path: "docs/errors.md", section: "errors", print: printErrorsMarkdown },
  { path: "docs/http-api.md", section: "routes", print: printRoutesMarkdown },
  { path: "docs/troubleshooting.md", section: "remedies", print: printRemediesMarkdown },
  { path: "docs/migration.md", section: "kept-settings", print: printKeptSettingsMarkdown },
  { path: "docs/clients.md", section: "clients", print: printClientsMarkdown },
  { path: "docs/tools.md", section: "tools", print: printToolsMarkdown },
  { path: ".env.example", print: printEnvExample },
];

const root = resolve(import.meta.dirname, "..");

/** The text that a document should have, and the one it has. */
export function renderDocument({ path, section, print }: PrintedDocument): { expected: string; actual: string } {
  const actual = readText(path);
  if (section === undefined) return { expected: print(), actual };
  const begin = `<!-- ${section} -->\n`;
  const end = `<!-- /${section} -->`;
  const from = actual.indexOf(begin);
  const to = actual.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${path} has no section between ${begin.trim()} and ${end}`);
  return { expected: `${actual.slice(0, from)}${begin}\n${print()}\n${actual.slice(to)}`, actual };
}

function readText(path: string): string {
  const file = resolve(root, path);
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

function main(check: boolean): void {
  for (const document of PRINTED_DOCUMENTS) {
    const { expected, actual } = renderDocument(document);
    if (expected === actual) continue;
    if (check) {
      console.error(`${document.path} is not what the code prints: run node scripts/print-docs.ts`);
      process.exitCode = 1;
    } else {
      console.error(`${document.path} written`);
      writeFileSync(resolve(root, document.path), expected);
    }
  }
}

if (import.meta.main) main(process.argv.includes("--check"));
