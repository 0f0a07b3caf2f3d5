import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { parseDocument } from "yaml";

/** An object of Kubernetes, as far as every object is the same. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  readonly [member: string]: unknown;
}

const generator = z.strictObject({
  name: z.string(),
  namespace: z.string().optional(),
  behavior: z.literal("merge").optional(),
  literals: z.array(z.string()).default([]),
  files: z.array(z.string()).default([]),
  options: z
    .strictObject({ disableNameSuffixHash: z.literal(true), labels: z.record(z.string(), z.string()) })
    .optional(),
});

const operation = z.strictObject({
  op: z.enum(["add", "replace", "remove"]),
  path: z.string().startsWith("/"),
  value: z.unknown(),
});

/** The part of a kustomization that our manifests use; anything else is a fault. */
const kustomization = z.strictObject({
  apiVersion: z.enum(["kustomize.config.k8s.io/v1beta1", "kustomize.config.k8s.io/v1alpha1"]),
  kind: z.enum(["Kustomization", "Component"]),
  namespace: z.string().optional(),
  resources: z.array(z.string()).default([]),
  components: z.array(z.string()).default([]),
  labels: z
    .array(z.strictObject({ pairs: z.record(z.string(), z.string()), includeSelectors: z.literal(true).optional() }))
    .default([]),
  configMapGenerator: z.array(generator).default([]),
  images: z.array(z.strictObject({ name: z.string(), newName: z.string().optional(), newTag: z.string() })).default([]),
  patches: z
    .array(z.strictObject({ target: z.strictObject({ kind: z.string(), name: z.string() }), patch: z.string() }))
    .default([]),
});

/** Reads one YAML document strictly: a key that stands twice is a fault. */
export function readYaml(path: string): unknown {
  return parseYaml(readFileSync(path, "utf8"), path);
}

function parseYaml(text: string, path: string): unknown {
  const document = parseDocument(text, { strict: true, uniqueKeys: true, version: "1.2", merge: true });
  assert.deepEqual([...document.errors, ...document.warnings].map(String), [], path);
  return document.toJS();
}

/** What `kubectl kustomize` makes of a folder, without the hash behind names of generated ConfigMaps. */
export function renderKustomization(folder: string): Manifest[] {
  const manifests: Manifest[] = [];
  applyKustomization(folder, manifests);
  return manifests;
}

function applyKustomization(folder: string, manifests: Manifest[]): void {
  const path = join(folder, "kustomization.yaml");
  const parsed = kustomization.parse(readYaml(path));
  const own: Manifest[] = parsed.kind === "Component" ? manifests : [];
  for (const name of parsed.resources) {
    const target = resolve(folder, name);
    if (statSync(target).isDirectory()) applyKustomization(target, own);
    else own.push(readManifest(target));
  }
  for (const entry of parsed.configMapGenerator) generateConfigMap(folder, entry, own);
  for (const name of parsed.components) applyKustomization(resolve(folder, name), own);
  for (const { target, patch } of parsed.patches) {
    const found = own.filter(({ kind, metadata }) => kind === target.kind && metadata.name === target.name);
    assert.equal(found.length, 1, `${path}: a patch of ${target.kind} ${target.name}`);
    for (const step of z.array(operation).parse(parseYaml(patch, path))) patchManifest(found[0], step, path);
  }
  for (const manifest of own) {
    for (const { pairs, includeSelectors } of parsed.labels) label(manifest, pairs, includeSelectors === true);
    for (const { name, newName = name, newTag } of parsed.images) retag(manifest, name, `${newName}:${newTag}`);
    if (parsed.namespace !== undefined) manifest.metadata.namespace = parsed.namespace;
  }
  if (own !== manifests) manifests.push(...own);
}

function readManifest(path: string): Manifest {
  const manifest = readYaml(path);
  assert.ok(isManifest(manifest), `${path} is a manifest`);
  return manifest;
}

function isManifest(value: unknown): value is Manifest {
  return z
    .looseObject({ apiVersion: z.string(), kind: z.string(), metadata: z.looseObject({ name: z.string() }) })
    .safeParse(value).success;
}

function generateConfigMap(folder: string, entry: z.infer<typeof generator>, manifests: Manifest[]): void {
  const literals = entry.literals.map((literal) => {
    const [, name = "", value = ""] = /^([^=]+)=(.*)$/.exec(literal) ?? [];
    return [name, value] as const;
  });
  const files = entry.files.map((file) => {
    const [name = "", path = name] = file.split("=");
    assert.equal(dirname(path), ".", "kustomize reads files of its own folder only");
    return [name, readFileSync(join(folder, path), "utf8")] as const;
  });
  const data = Object.fromEntries([...literals, ...files]);
  const existing = manifests.find(
    ({ kind, metadata }) =>
      kind === "ConfigMap" &&
      metadata.name === entry.name &&
      (entry.namespace === undefined || metadata.namespace === entry.namespace),
  );
  assert.equal(existing !== undefined, entry.behavior === "merge", `ConfigMap ${entry.name} in ${folder}`);
  if (existing) {
    Object.assign(existing["data"] as Record<string, string>, data);
    return;
  }
  const metadata = { name: entry.name, ...(entry.options && { labels: entry.options.labels }) };
  manifests.push({ apiVersion: "v1", kind: "ConfigMap", metadata, data });
}

/** One operation of RFC 6902, of those that we use. */
function patchManifest(manifest: unknown, { op, path, value }: z.infer<typeof operation>, file: string): void {
  const keys = path
    .slice(1)
    .split("/")
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = keys.pop() ?? "";
  let parent = manifest;
  for (const key of keys) parent = (parent as Record<string, unknown>)[key];
  assert.ok(typeof parent === "object" && parent !== null, `${file}: ${path} leads somewhere`);
  if (Array.isArray(parent)) {
    if (op === "add") parent.splice(last === "-" ? parent.length : Number(last), 0, value);
    else parent.splice(Number(last), 1, ...(op === "replace" ? [value] : []));
    return;
  }
  const members = parent as Record<string, unknown>;
  if (op !== "add") assert.ok(last in members, `${file}: ${path} is there to ${op}`);
  if (op === "remove") delete members[last];
  else members[last] = value;
}

const SELECTORS: Readonly<Record<string, readonly string[]>> = {
  Service: ["spec", "selector"],
  Deployment: ["spec", "selector", "matchLabels"],
  PodDisruptionBudget: ["spec", "selector", "matchLabels"],
};

function label(manifest: Manifest, pairs: Record<string, string>, includeSelectors: boolean): void {
  manifest.metadata.labels = { ...manifest.metadata.labels, ...pairs };
  if (!includeSelectors) return;
  const path = SELECTORS[manifest.kind];
  if (path) Object.assign(makeMember(manifest, path), pairs);
  if (manifest.kind === "Deployment") {
    Object.assign(makeMember(manifest, ["spec", "template", "metadata", "labels"]), pairs);
  }
}

function makeMember(manifest: Manifest, path: readonly string[]): object {
  let member = manifest as Record<string, unknown>;
  for (const key of path) {
    member[key] ??= {};
    member = member[key] as Record<string, unknown>;
  }
  return member;
}

function retag(value: unknown, name: string, image: string): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (key === "image" && typeof member === "string" && member.split(":")[0] === name) {
      (value as Record<string, unknown>)[key] = image;
    } else retag(member, name, image);
  }
}
