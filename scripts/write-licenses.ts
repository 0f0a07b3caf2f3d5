import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toMitLicense } from "./mit-license.ts";

/** Of packages that carry no licence file: the text of their repository. */
const TEXTS: Readonly<Record<string, string>> = { "@redis/client": toMitLicense("2022-2025, Redis, inc.") };

interface Bundled {
  readonly label: string;
  readonly license: string;
  readonly text: string | undefined;
}

/**
 * Writes the licences of the packages whose code `dist/` holds, each text once.
 *
 * @param folders their folders in `node_modules`, from the root on
 */
export function writeLicenses(root: string, folders: readonly string[], file: string): void {
  const packages = folders.map((folder) => readPackage(join(root, folder)));
  const byText = new Map<string, string[]>();
  for (const { label, license, text } of packages) {
    // Some packages of a family come without the text that the others carry.
    const known = text ?? packages.find((other) => isKin(other.label, label) && other.license === license)?.text;
    if (known === undefined) throw new Error(`Cannot find the licence of ${label}`);
    byText.set(known, [...(byText.get(known) ?? []), `${label} (${license})`]);
  }
  const parts = [...byText].map(([text, labels]) => `${labels.join("\n")}\n\n${text}\n`);
  const intro = "This program contains code of these packages, under these licences.\n";
  writeFileSync(file, [intro, ...parts].join(`\n${"-".repeat(80)}\n\n`));
}

function readPackage(folder: string): Bundled {
  const { name, version, license }: { name: string; version: string; license: string } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  );
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? TEXTS[name]?.trim() : readFileSync(join(folder, file), "utf8").trim();
  return { label: `${name} ${version}`, license, text };
}

/** Of the same family: `@aws-sdk/core 1.0.0` and `@aws-sdk/types 1.0.0`. */
function isKin(one: string, other: string): boolean {
  return one.startsWith("@") && one.split("/")[0] === other.split("/")[0];
}
