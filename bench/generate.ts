import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BenchProcess } from "./bench-process.ts";
import type { BenchOptions } from "./bench-options.ts";
import { compare, runRounds, type Comparison, type Side } from "./rounds.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

interface Case {
  readonly label: string;
  /** Of the picture; marks come on top. */
  readonly bytes: number;
  readonly concurrency: number;
  /** Pictures per round. */
  readonly count: number;
  /** Against receiving and writing alone. */
  readonly floorGoal?: number;
}

const CASES: readonly Case[] = [
  { label: "2 MB, 1 at once", bytes: 2_000_000, concurrency: 1, count: 64, floorGoal: 1.25 },
  { label: "0.5 MB, 32 at once", bytes: 500_000, concurrency: 32, count: 256 },
  { label: "2 MB, 32 at once", bytes: 2_000_000, concurrency: 32, count: 96, floorGoal: 1.25 },
  { label: "8 MB, 32 at once", bytes: 8_000_000, concurrency: 32, count: 64 },
];
/** What a store adds to the picture of the stub, and what surrounds it in the answer. */
const SIZE_TOLERANCE = 0.06;
const NAIVE_GOAL = 0.4;

const OURS = "ours";
const NAIVE = "fetch, JSON.parse, Buffer.from, writeFile";
const FLOOR = "receive and drop, write and rename";
const SAME_WORK = "the same, checked, hashed and flushed";

/** CPU per picture from the KServe wire to the stored file. */
export async function benchGenerate({ rounds, quick }: BenchOptions): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const oneCase of CASES) comparisons.push(...(await benchCase(oneCase, rounds, quick)));
  return comparisons;
}

async function benchCase(oneCase: Case, rounds: number, quick: boolean): Promise<Comparison[]> {
  const { label, bytes, concurrency, floorGoal } = oneCase;
  using folder = new TemporaryFolder();
  const others = join(folder.path, "others");
  await mkdir(others);
  await using stub = await BenchProcess.script("client", "stub-runtime.ts", [String(bytes)]);
  const endpoint = String((await stub.read())["url"]);
  await using ours = await BenchProcess.script("server", "generate-ours.ts", [endpoint, join(folder.path, "ours")]);
  await using naive = await BenchProcess.script("server", "generate-naive.ts", [endpoint, others]);
  await using floor = await BenchProcess.script("server", "generate-floor.ts", [endpoint, others]);
  await using work = await BenchProcess.script("server", "generate-floor.ts", [endpoint, others, "durable"]);

  const count = quick ? concurrency : oneCase.count;
  const toSide = (name: string, drawer: BenchProcess): Side => ({
    name,
    run: async () => {
      const before = drawer.cpuMicros();
      const startedAt = performance.now();
      const { bytes: stored } = await drawer.ask({ count, concurrency });
      const perSecond = (count / (performance.now() - startedAt)) * 1000;
      const cpuMicros = (drawer.cpuMicros() - before) / count;
      const size = Number(stored) / count;
      if (Math.abs(size - bytes) > bytes * SIZE_TOLERANCE) throw new Error(`${name} stored ${size} bytes`);
      await drawer.ask({ remove: true });
      return { cpuMicros, perSecond };
    },
  });
  const sides = [toSide(OURS, ours), toSide(NAIVE, naive), toSide(FLOOR, floor), toSide(SAME_WORK, work)];
  // The first round makes code hot.
  await runRounds(sides, 1);
  const samples = await runRounds(sides, rounds);
  return [
    compare(samples, { what: label, side: OURS, base: NAIVE, goal: NAIVE_GOAL }),
    compare(samples, { what: label, side: OURS, base: FLOOR, ...(floorGoal !== undefined && { goal: floorGoal }) }),
    compare(samples, { what: label, side: OURS, base: SAME_WORK }),
  ];
}
