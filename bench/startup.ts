import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { BenchProcess } from "./bench-process.ts";
import type { BenchOptions } from "./bench-options.ts";
import { compare, runRounds, type Comparison, type Sample, type Side } from "./rounds.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "0.0.0" } },
};
const ECHO = "bare node that echoes";
const BUILT = "built command";
const SOURCE = "source";

/** CPU from the start of a stdio server to its answer to `initialize`. */
export async function benchStartup({ rounds }: BenchOptions): Promise<Comparison[]> {
  using home = new TemporaryFolder();
  const root = resolve(import.meta.dirname, "..");
  const built = resolve(root, "dist/cli/bin.js");
  const hasBuilt = existsSync(built);
  if (!hasBuilt) console.log("There is no built command (npm run build): the source alone is measured");
  const toSide = (name: string, args: readonly string[]): Side => ({ name, run: async () => start(args, home.path) });
  const sides = [
    toSide(ECHO, ["--eval", 'process.stdin.once("data", (line) => process.stdout.write(line))']),
    ...(hasBuilt ? [toSide(BUILT, [built])] : []),
    toSide(SOURCE, [resolve(root, "src/cli/bin.ts")]),
  ];
  await runRounds(sides, 1);
  const samples = await runRounds(sides, rounds);
  const what = "stdio, to the answer of `initialize`";
  return [
    ...(hasBuilt ? [compare(samples, { what, side: BUILT, base: ECHO, goal: 3.5 })] : []),
    compare(samples, { what, side: SOURCE, base: ECHO }),
  ];
}

async function start(args: readonly string[], home: string): Promise<Sample> {
  const env = { HOME: home, LOG_LEVEL: "ERROR" };
  await using server = await BenchProcess.start({ core: "server", command: process.execPath, args, env });
  await server.ask(INITIALIZE);
  return { cpuMicros: server.cpuMicros() };
}
