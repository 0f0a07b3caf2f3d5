import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

// Runs the tests of the native executor with the package onnxruntime-node, installed into a temporary folder: its install
// script, which wants the libraries of a graphics card, is left out.

const NATIVE_PACKAGE = "onnxruntime-node@1.30.0";
const LIMIT_MS = 10 * 60 * 1000;

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "mcp-image-server-native-"));
try {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  console.log(`Installing ${NATIVE_PACKAGE}, 108 MB`);
  execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", NATIVE_PACKAGE], {
    cwd: folder,
    stdio: "inherit",
  });
  const tests = join(root, "test/native/engine-native.test.ts");
  const child = spawn(process.execPath, ["--test", "--test-reporter=spec", tests], {
    cwd: folder,
    stdio: "inherit",
    timeout: LIMIT_MS,
  });
  const [status] = await once(child, "exit");
  process.exitCode = status === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
