import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { build } from "esbuild";
import { BenchProcess } from "./bench-process.ts";
import type { BenchOptions } from "./bench-options.ts";
import { toFigureTable, toTable } from "./report.ts";
import { compare, median, runRounds, type Comparison, type Sample, type Side } from "./rounds.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "0.0.0" } },
};
const ECHO = "bare node that echoes";
const BARE = "SDK with one tool, bundled";
const BUILT = "built command";
const SOURCE = "source";
const MAX_RESIDENT_BYTES = 75_000_000;

/** What a stdio server costs from its start to its answer to `initialize`. */
export async function benchStartup({ rounds }: BenchOptions): Promise<string> {
  using folder = new TemporaryFolder();
  const root = resolve(import.meta.dirname, "..");
  const built = resolve(root, "dist/cli/bin.js");
  const hasBuilt = existsSync(built);
  if (!hasBuilt) console.log("There is no built command (npm run build): the source alone is measured");
  const bare = resolve(folder.path, "bare.mjs");
  await bundleBareServer(bare);

  const residentBytes: number[] = [];
  const toSide = (name: string, args: readonly string[]): Side => ({
    name,
    run: async () => {
      const { resident, ...sample } = await start(args, folder.path);
      if (name === BUILT) residentBytes.push(resident);
      return sample;
    },
  });
  const sides = [
    toSide(ECHO, ["--eval", 'process.stdin.once("data", (line) => process.stdout.write(line))']),
    toSide(BARE, [bare]),
    ...(hasBuilt ? [toSide(BUILT, [built])] : []),
    toSide(SOURCE, [resolve(root, "src/cli/bin.ts")]),
  ];
  // The first start of all leaves its code compiled for the next ones, as it does for a user.
  await runRounds(sides, 1);
  residentBytes.length = 0;
  const samples = await runRounds(sides, rounds);
  const what = "stdio, to the answer of `initialize`";
  const table: Comparison[] = [
    compare(samples, { what, side: BARE, base: ECHO }),
    compare(samples, { what, side: SOURCE, base: ECHO }),
  ];
  if (!hasBuilt) return toTable(table);
  table.unshift(
    compare(samples, { what, side: BUILT, base: ECHO, goal: 3.5 }),
    compare(samples, { what, side: BUILT, base: BARE, goal: 1.2 }),
  );
  const resident = median(residentBytes);
  const memory = {
    what: "built command, memory when it has answered `initialize`",
    value: `${(resident / 1e6).toFixed(0)} MB`,
    against: `${MAX_RESIDENT_BYTES / 1e6} MB`,
    ratio: resident / MAX_RESIDENT_BYTES,
    goal: 1,
  };
  return `${toTable(table)}\n\n${toFigureTable([memory])}`;
}

/** The least that a server with the SDK can be. */
async function bundleBareServer(outfile: string): Promise<void> {
  await build({
    entryPoints: [resolve(import.meta.dirname, "processes/bare-stdio.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    minifySyntax: true,
    minifyWhitespace: true,
  });
}

async function start(
  args: readonly string[],
  home: string,
): Promise<Sample & { readonly perSecond: number; readonly resident: number }> {
  const env = { HOME: home, LOG_LEVEL: "ERROR" };
  const begun = performance.now();
  await using server = await BenchProcess.start({ core: "server", command: process.execPath, args, env });
  await server.ask(INITIALIZE);
  const perSecond = 1000 / (performance.now() - begun);
  return { cpuMicros: server.cpuMicros(), perSecond, resident: server.residentBytes() };
}
