import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RUNTIME_FILES } from "../src/engine/package-files.ts";
import { toMitLicense } from "./mit-license.ts";

/** Copies the files of onnxruntime-web that the engine needs, so that the published package need not depend on it. */
export function vendorOnnxruntime(target: string): void {
  const source = dirname(fileURLToPath(import.meta.resolve("onnxruntime-web/wasm")));
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const file of RUNTIME_FILES) copyFileSync(join(source, file), join(target, file));
  // The package carries no licence file; this is the text of its repository.
  writeFileSync(join(target, "LICENSE"), toMitLicense("Microsoft Corporation"));
}
