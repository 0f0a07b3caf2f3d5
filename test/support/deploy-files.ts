import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { loadSettings } from "../../src/config/load-settings.ts";
import { SETTING_NAMES, getSettingDefinition, toSettingExample } from "../../src/config/settings-table.ts";
import type { Settings } from "../../src/config/settings.ts";
import { renderKustomization, type Manifest } from "./kustomize.ts";
import { configMapShape } from "./manifest-shapes.ts";
import { TemporaryFolder } from "./server-process.ts";

export const root = resolve(import.meta.dirname, "../..");
export const deploy = join(root, "deploy");

/** Every folder of `deploy/` that `kubectl apply -k` takes. */
export const KUSTOMIZATIONS = [
  "kubernetes/base",
  "kubernetes/mcp-lifecycle-operator",
  "kubernetes/overlays/kubernetes",
  "kubernetes/overlays/kubernetes-redis",
  "kubernetes/overlays/openshift",
  "kserve/caller",
  "kserve/engine",
  "kserve/engine-keda",
];

const rendered = new Map<string, readonly Manifest[]>();

export function manifestsOf(folder: string): readonly Manifest[] {
  const manifests = rendered.get(folder) ?? renderKustomization(join(deploy, folder));
  rendered.set(folder, manifests);
  return manifests;
}

/** The one object of this kind, in its full shape. */
export function findManifest<Shape extends z.ZodType>(folder: string, kind: string, shape: Shape): z.infer<Shape> {
  const found = manifestsOf(folder).filter((manifest) => manifest.kind === kind);
  assert.equal(found.length, 1, `${folder} has one ${kind}`);
  return shape.parse(found[0]);
}

/** The variables that the server of an overlay gets from its ConfigMap. */
export function configOf(folder: string): Readonly<Record<string, string>> {
  const isOurs = ({ kind, metadata }: Manifest): boolean =>
    kind === "ConfigMap" && metadata.name === "mcp-image-server";
  return configMapShape.parse(manifestsOf(folder).find(isOurs)).data;
}

/** Reads variables as the server would, with something in each file that is named. */
export function readSettings(variables: Readonly<Record<string, string>>): {
  settings: Settings;
  warnings: readonly unknown[];
} {
  using folder = new TemporaryFolder();
  const env = Object.fromEntries(
    Object.entries(variables).map(([name, value]) => {
      if (!name.endsWith("_FILE")) return [name, value];
      const secret = SETTING_NAMES.find((known) => name === `${known}_FILE`);
      const file = join(folder.path, name);
      writeFileSync(file, secret === undefined ? "" : toSettingExample(secret));
      return [name, file];
    }),
  );
  return loadSettings({ env, envFile: { path: join(folder.path, ".env"), required: false }, requireEndpoint: true });
}

/** Variables that Node itself reads. */
const NODE_VARIABLES = ["NODE_ENV", "NODE_EXTRA_CA_CERTS"];

export function isVariable(name: string): boolean {
  if (NODE_VARIABLES.includes(name)) return true;
  return SETTING_NAMES.some(
    (known) => known === name || (`${known}_FILE` === name && getSettingDefinition(known).secret === true),
  );
}

export function readPackage(): { version: string; devDependencies: Record<string, string> } {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}
