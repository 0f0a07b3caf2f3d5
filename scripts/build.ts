import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { bundle } from "./bundle.ts";
import { vendorOnnxruntime } from "./vendor-onnxruntime.ts";
import { writeLicenses } from "./write-licenses.ts";
import { writeSbom } from "./write-sbom.ts";

/** Builds `dist/`: the command and the library by a bundler, the library's types by the compiler. */
const root = resolve(import.meta.dirname, "..");
const dist = resolve(root, "dist");

rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [resolve(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
const bundled = await bundle({ write: true });
chmodSync(resolve(dist, "cli/bin.js"), 0o755);
vendorOnnxruntime(resolve(dist, "vendor/onnxruntime-web"));
writeLicenses(root, bundled, resolve(dist, "THIRD-PARTY-LICENSES.txt"));
writeSbom(root, bundled, resolve(dist, "sbom.cdx.json"));
