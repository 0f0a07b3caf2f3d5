import { resolve } from "node:path";
import { build, type BuildOptions, type Metafile } from "esbuild";
import packageJson from "../package.json" with { type: "json" };
import { START_UP_PLUGINS } from "./start-up-plugins.ts";

const root = resolve(import.meta.dirname, "..");

/** Threads and processes are started from their own files, which must lie beside the chunks that start them. */
const WORKERS = {
  "image-worker": "src/images/image-worker.ts",
  "engine-worker": "src/engine/engine-worker.ts",
  "engine-process": "src/engine/engine-process.ts",
};
const COMMAND = { bin: "src/cli/bin.ts" };
const LIBRARY = {
  index: "src/index.ts",
  storage: "src/storage.ts",
  kserve: "src/kserve.ts",
  "testing/index": "src/testing/index.ts",
};
/** What whoever installs the package may add to it; the engine's runtime is part of it, as files. */
const OPTIONAL = ["onnxruntime-web", "sharp", ...Object.keys(packageJson.peerDependencies)];
/** Small enough to come with the command. */
const CLIENT_OF_REDIS = "@redis/client";

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node22.19",
  // Modules can be cut down to what is used.
  mainFields: ["module", "main"],
  chunkNames: "chunk-[hash]",
  legalComments: "linked",
  minifySyntax: true,
  metafile: true,
  // Packages in CommonJS call `require` for Node's own modules.
  banner: {
    js: 'import { createRequire as createBundleRequire } from "node:module"; const require = createBundleRequire(import.meta.url);',
  },
};

/**
 * Writes the command and the library to `dist/`, each with what it loads on first use in chunks, and gives the folders in
 * `node_modules` whose code they hold. The command needs no package. The library leaves those to the installation that
 * are part of its interface, so that a program has one copy of each; its lines stay as they are, for stack traces.
 */
export async function bundle({ write }: { readonly write: boolean }): Promise<string[]> {
  const results = await Promise.all([
    build({
      ...common,
      entryPoints: { ...COMMAND, ...WORKERS },
      outdir: "dist/cli",
      external: OPTIONAL.filter((name) => name !== CLIENT_OF_REDIS),
      plugins: [...START_UP_PLUGINS],
      minifyWhitespace: true,
      write,
    }),
    build({
      ...common,
      entryPoints: { ...LIBRARY, ...WORKERS },
      outdir: "dist/lib",
      external: [...OPTIONAL, ...Object.keys(packageJson.dependencies)],
      write,
    }),
  ]);
  const folders = new Set<string>();
  for (const { metafile } of results) {
    if (metafile === undefined) continue;
    assertNamesAreKept(metafile);
    for (const output of Object.values(metafile.outputs)) {
      for (const input of Object.keys(output.inputs)) {
        const [folder] = /(?<!\w)node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(input) ?? [];
        if (folder !== undefined) folders.add(folder);
      }
    }
  }
  return [...folders].sort();
}

/** A package in CommonJS that is imported as a whole on first use gives its default alone once it is in a chunk. */
function assertNamesAreKept({ inputs }: Metafile): void {
  for (const [file, { imports }] of Object.entries(inputs)) {
    for (const { kind, path, original } of imports) {
      if (kind === "dynamic-import" && inputs[path]?.format === "cjs") {
        throw new Error(`${file}: import("${original}") loses its names; export them from a file of their own`);
      }
    }
  }
}
