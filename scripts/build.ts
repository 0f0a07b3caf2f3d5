import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import { vendorOnnxruntime } from "./vendor-onnxruntime.ts";
import { writeSbom } from "./write-sbom.ts";

/** Builds `dist/`: the library by the compiler, the command by a bundler that splits what is loaded on first use. */
const root = resolve(import.meta.dirname, "..");

/** zod exports the error messages of fifty languages; nobody asks for any but the one that it sets by itself. */
const englishOnly: Plugin = {
  name: "english-only",
  setup(bundle) {
    bundle.onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: "js",
    }));
  },
};

rmSync(resolve(root, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [resolve(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});

await build({
  absWorkingDir: root,
  // Worker threads are started from their own files, which must lie beside the chunks that start them.
  entryPoints: [
    "src/cli/bin.ts",
    "src/images/image-worker.ts",
    "src/engine/engine-worker.ts",
    "src/engine/engine-process.ts",
  ],
  entryNames: "[name]",
  chunkNames: "chunk-[hash]",
  outdir: "dist/cli",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node22.19",
  external: ["onnxruntime-web", "sharp", "@redis/client", "@opentelemetry/sdk-node"],
  plugins: [englishOnly],
  legalComments: "linked",
  minifySyntax: true,
  minifyWhitespace: true,
  // Packages in CommonJS call `require` for Node's own modules.
  banner: {
    js: 'import { createRequire as createBundleRequire } from "node:module"; const require = createBundleRequire(import.meta.url);',
  },
});
chmodSync(resolve(root, "dist/cli/bin.js"), 0o755);
vendorOnnxruntime(resolve(root, "dist/vendor/onnxruntime-web"));
writeSbom(root, resolve(root, "dist/sbom.cdx.json"));
