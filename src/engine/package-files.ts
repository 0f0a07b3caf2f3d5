import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigurationError, isErrno } from "../core/errors.ts";
import { findPackageRoot } from "../core/package-root.ts";

/** The one module of onnxruntime-web that imports no other package; the other two files lie beside it. */
const RUNTIME_ENTRY = "ort.wasm.min.mjs";

/** Every file of onnxruntime-web's `dist/` that the engine needs: 14 MB instead of the package's 148. */
export const RUNTIME_FILES = [RUNTIME_ENTRY, "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"] as const;

/** Where the build puts them, relative to the package's root. */
const NATIVE_PACKAGE = "onnxruntime-node";
const VENDORED_RUNTIME = join("dist", "vendor", "onnxruntime-web");

/** The URL of the ONNX runtime: the vendored copy of a published package first, else the one in `node_modules`. */
export function findRuntime(packageRoot: string = findPackageRoot()): string {
  const vendored = join(packageRoot, VENDORED_RUNTIME, RUNTIME_ENTRY);
  if (existsSync(vendored)) return pathToFileURL(vendored).href;
  try {
    return new URL(RUNTIME_ENTRY, import.meta.resolve("onnxruntime-web/wasm")).href;
  } catch (error) {
    throw new ConfigurationError(
      "configuration_invalid",
      `Cannot find the ONNX runtime: neither "${vendored}" nor the package onnxruntime-web exists`,
      { cause: error },
    );
  }
}

/**
 * The URL of the package onnxruntime-node, which is no dependency of ours: beside this package, or in the working folder.
 *
 * @throws {ConfigurationError} `configuration_invalid` saying how it is installed
 */
export function findNativeRuntime(workingFolder: string = process.cwd()): string {
  for (const from of [import.meta.url, join(workingFolder, "package.json")]) {
    try {
      return pathToFileURL(createRequire(from).resolve(NATIVE_PACKAGE)).href;
    } catch (error) {
      if (!isErrno(error, "MODULE_NOT_FOUND")) throw error;
    }
  }
  const command = `npm install --ignore-scripts ${NATIVE_PACKAGE}@1.30`;
  const message = `Cannot find the package ${NATIVE_PACKAGE}, which ENGINE_EXECUTOR=native needs; install it with: ${command}`;
  throw new ConfigurationError("configuration_invalid", message);
}

/** A file that a thread or process runs, beside this one. */
export function findEngineFile(stem: "engine-worker" | "engine-process"): URL {
  return new URL(`${stem}${extname(import.meta.url)}`, import.meta.url);
}

/** The model that is shipped with the package. */
export function shippedModelPath(): string {
  return join(findPackageRoot(), "models", "scenes-v1");
}
