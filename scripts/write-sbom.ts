import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Sbom {
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

/** Writes what the package is made of, as CycloneDX, by the lockfile. */
export function writeSbom(root: string, file: string): void {
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
  // `--omit=dev` of npm also leaves out what production and development share.
  const needed = new Set(
    Object.entries(locked)
      .filter(([path, { dev, devOptional }]) => path !== "" && dev !== true && devOptional !== true)
      .map(([path, { version }]) => `${path.split("node_modules/").at(-1)}@${version}`),
  );
  sbom.components = sbom.components.filter((component) => needed.has(String(component["bom-ref"])));
  sbom.dependencies = sbom.dependencies
    .filter(({ ref }) => needed.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((name) => needed.has(name)) }));
  const { version = "", license = "" } = locked[`node_modules/${VENDORED}`] ?? {};
  sbom.components.push({
    type: "library",
    name: VENDORED,
    version,
    purl: `pkg:npm/${VENDORED}@${version}`,
    "bom-ref": `${VENDORED}@${version}`,
    licenses: [{ license: { id: license } }],
  });
  writeFileSync(file, `${JSON.stringify(sbom, undefined, 2)}\n`);
}
