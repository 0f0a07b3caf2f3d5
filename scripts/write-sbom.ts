import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };

interface Sbom {
  readonly metadata: { readonly component: Record<string, unknown> };
  components: Record<string, unknown>[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}

interface LockedPackage {
  readonly version: string;
  readonly license?: string;
  readonly dev?: true;
  readonly devOptional?: true;
}

/** A development dependency whose files are part of the package. */
const VENDORED = "onnxruntime-web";

/**
 * Writes what the package is made of, as CycloneDX, by the lockfile: what its installation brings, and what it holds.
 *
 * @param bundled folders in `node_modules` whose code `dist/` holds, from the root on
 */
export function writeSbom(root: string, bundled: readonly string[], file: string): void {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const text = execFileSync(npm, ["sbom", "--sbom-format=cyclonedx", "--package-lock-only"], {
    cwd: root,
    encoding: "utf8",
    shell: process.platform === "win32",
    maxBuffer: 64 * 1024 * 1024,
  });
  const sbom: Sbom = JSON.parse(text);
  const locked: Record<string, LockedPackage> = JSON.parse(
    readFileSync(join(root, "package-lock.json"), "utf8"),
  ).packages;
  const toRef = ([path, { version }]: [string, LockedPackage]): string =>
    `${path.split("node_modules/").at(-1)}@${version}`;
  // `--omit=dev` of npm also leaves out what production and development share.
  const installed = new Set(
    Object.entries(locked)
      .filter(([path, { dev, devOptional }]) => path !== "" && dev !== true && devOptional !== true)
      .map(toRef),
  );
  const held = new Set([...bundled, `node_modules/${VENDORED}`].map((path) => toRef([path, getLocked(locked, path)])));
  const needed = new Set([...installed, ...held]);
  // npm calls the project by its folder.
  sbom.metadata.component["name"] = packageJson.name;
  sbom.components = sbom.components.filter((component) => needed.has(String(component["bom-ref"])));
  for (const component of sbom.components) {
    const isHeld = held.has(String(component["bom-ref"]));
    // What npm says here is of our development.
    component["properties"] = isHeld ? [{ name: "cdx:npm:package:bundled", value: "true" }] : [];
    component["scope"] = "required";
  }
  sbom.dependencies = sbom.dependencies
    .filter(({ ref }) => needed.has(ref) || ref === sbom.metadata.component["bom-ref"])
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((name) => needed.has(name)) }));
  writeFileSync(file, `${JSON.stringify(sbom, undefined, 2)}\n`);
}

function getLocked(locked: Readonly<Record<string, LockedPackage>>, path: string): LockedPackage {
  const found = locked[path];
  if (found === undefined) throw new Error(`Cannot find ${path} in package-lock.json`);
  return found;
}
