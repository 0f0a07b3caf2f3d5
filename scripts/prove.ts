import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { basename, resolve } from "node:path";
import { createInterface } from "node:readline";

// Runs the load tests in full, one file after the other, and prints what they measured. Loopback only. It takes an hour and more;
// words after `npm run prove --` choose the files that have one of them in their names.

const root = resolve(import.meta.dirname, "..");
const FILES = [
  "test/{load,storage}-*.test.ts",
  "test/{owner-model,guard-matrix,canaries,shared-limits,http-hostile,lent-memory}.test.ts",
  "src/kserve/upstream-faults.test.ts",
  "src/wire/picture-answer-mutants.test.ts",
  "src/access/oauth-verifier.test.ts",
  "src/images/owned-images.test.ts",
  "test/c2pa/signed-pictures.test.ts",
];
/** Of one file; the soak alone takes ten minutes. */
const LIMIT_MS = 60 * 60 * 1000;

const words = process.argv.slice(2);
const files = globSync(FILES, { cwd: root })
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .toSorted();
const figures: string[] = [];
const failed: string[] = [];
for (const [index, file] of files.entries()) {
  const startedAtMs = performance.now();
  process.stdout.write(`\n[${index + 1}/${files.length}] ${file}\n`);
  if (!(await prove(file))) failed.push(file);
  process.stdout.write(`${failed.includes(file) ? "FAILED" : "ok"} after ${toSeconds(startedAtMs)} s\n`);
}
process.stdout.write(`\n${figures.map((figure) => `- ${figure}`).join("\n")}\n`);
process.stdout.write(`\n${files.length - failed.length} files proven, ${failed.length} failed ${failed.join(" ")}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function prove(file: string): Promise<boolean> {
  const child = spawn(process.execPath, ["--expose-gc", "--test", "--test-reporter=spec", file], {
    cwd: root,
    env: { ...process.env, PROVE: "1" },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: LIMIT_MS,
  });
  createInterface(child.stdout).on("line", (line) => {
    const [, figure] = /figure: (.+)$/.exec(line) ?? [];
    if (figure !== undefined) figures.push(`${basename(file, ".test.ts")}: ${figure}`);
    process.stdout.write(`${line}\n`);
  });
  const [exitCode] = await once(child, "close");
  return exitCode === 0;
}

function toSeconds(startedAtMs: number): number {
  return Math.round((performance.now() - startedAtMs) / 1000);
}
