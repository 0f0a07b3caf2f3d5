import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

// Runs the load tests in full, which takes half an hour and more, and prints what they measured. Loopback only.

const root = resolve(import.meta.dirname, "..");
const LIMIT_MS = 120 * 60 * 1000;

const files = globSync("test/{load-*,storage-*}.test.ts", { cwd: root }).toSorted();
const child = spawn(process.execPath, ["--test", "--test-concurrency=1", "--test-reporter=spec", ...files], {
  cwd: root,
  env: { ...process.env, PROVE: "1" },
  stdio: ["ignore", "pipe", "inherit"],
  timeout: LIMIT_MS,
});
const figures: string[] = [];
createInterface(child.stdout).on("line", (line) => {
  const [, figure] = /figure: (.+)$/.exec(line) ?? [];
  if (figure === undefined) process.stdout.write(`${line}\n`);
  else figures.push(figure);
});
const [exitCode] = await once(child, "close");
process.stdout.write(`\n${figures.map((figure) => `- ${figure}`).join("\n")}\n`);
process.exitCode = exitCode === 0 ? 0 : 1;
