import { parseArgs } from "node:util";
import { canPin } from "./bench-process.ts";
import type { BenchOptions } from "./bench-options.ts";
import { toFigureTable, toTable } from "./report.ts";
import { benchBesideEngine } from "./engine-beside.ts";
import { benchEngine } from "./engine.ts";
import { benchGenerate } from "./generate.ts";
import { benchNeighbours } from "./neighbours.ts";
import { benchServing } from "./serving.ts";
import { benchSigning } from "./signing.ts";
import { benchStorage } from "./storage.ts";
import { benchStartup } from "./startup.ts";
import { benchThumbnails } from "./thumbnails.ts";
import { benchTools } from "./tools.ts";

/** Gives its results as a table. */
type Bench = (options: BenchOptions) => Promise<string>;

const BENCHES: ReadonlyMap<string, Bench> = new Map(
  Object.entries({
    tools: async (options) => toTable(await benchTools(options)),
    serving: async (options) => toTable(await benchServing(options)),
    thumbnails: async (options) => toFigureTable(await benchThumbnails(options)),
    signing: async (options) => toFigureTable(await benchSigning(options)),
    generate: async (options) => toTable(await benchGenerate(options)),
    neighbours: async (options) => toFigureTable(await benchNeighbours(options)),
    engine: async (options) =>
      `${toTable(await benchEngine(options))}\n\n${toFigureTable(await benchBesideEngine(options))}`,
    storage: async (options) => toFigureTable(await benchStorage(options)),
    startup: benchStartup,
  }),
);

const USAGE = `Usage: npm run bench -- [${[...BENCHES.keys()].join("|")}] [--rounds N] [--quick]

Without a name, all of them. --quick only shows that they run. docs/performance.md tells what they measure.`;

const { values, positionals } = parseArguments();
const rounds = Number(values.rounds ?? (values.quick ? 2 : 9));
const unknown = positionals.filter((name) => !BENCHES.has(name));
if (values.help) console.log(USAGE);
else if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(USAGE);
  process.exitCode = 64;
} else {
  if (!canPin) console.log("taskset (util-linux) is not installed: processes are not bound to cores");
  for (const [name, bench] of BENCHES) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    console.log(`\n## ${name}, ${rounds} rounds\n`);
    console.log(await bench({ rounds, quick: values.quick }));
  }
}

function parseArguments(): { values: { rounds?: string; quick: boolean; help: boolean }; positionals: string[] } {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: "string" },
        quick: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch {
    return { values: { rounds: "0", quick: false, help: false }, positionals: [] };
  }
}
