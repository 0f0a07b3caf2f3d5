import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BenchProcess } from "./bench-process.ts";
import type { BenchOptions } from "./bench-options.ts";
import { compare, runRounds, type Comparison, type Side } from "./rounds.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

const CONCURRENCIES = [1, 8];
/** The picture of the stub has 2.08 MB; marks come on top, and what surrounds it in the answer. */
const PICTURE_BYTES = { least: 2_000_000, most: 2_200_000 };

const OURS = "ours";
const NAIVE = "fetch, JSON.parse, Buffer.from, writeFile";
const FLOOR = "receive and drop, write and rename";

/** CPU per picture of 2 MB from the KServe wire to the stored file. */
export async function benchGenerate({ rounds, quick }: BenchOptions): Promise<Comparison[]> {
  using folder = new TemporaryFolder();
  await mkdir(join(folder.path, "others"));
  await using stub = await BenchProcess.script("client", "stub-runtime.ts");
  const endpoint = String((await stub.read())["url"]);
  await using ours = await BenchProcess.script("server", "generate-ours.ts", [endpoint, join(folder.path, "ours")]);
  const others = join(folder.path, "others");
  await using naive = await BenchProcess.script("server", "generate-naive.ts", [endpoint, others]);
  await using floor = await BenchProcess.script("server", "generate-floor.ts", [endpoint, others]);

  const comparisons: Comparison[] = [];
  for (const concurrency of CONCURRENCIES) {
    const count = quick ? 16 : 64;
    const toSide = (name: string, drawer: BenchProcess): Side => ({
      name,
      run: async () => {
        const before = drawer.cpuMicros();
        const startedAt = performance.now();
        const { bytes } = await drawer.ask({ count, concurrency });
        const perSecond = (count / (performance.now() - startedAt)) * 1000;
        const cpuMicros = (drawer.cpuMicros() - before) / count;
        const size = Number(bytes) / count;
        if (size < PICTURE_BYTES.least || size > PICTURE_BYTES.most) throw new Error(`${name} stored ${size} bytes`);
        await drawer.ask({ remove: true });
        return { cpuMicros, perSecond };
      },
    });
    const sides = [toSide(OURS, ours), toSide(NAIVE, naive), toSide(FLOOR, floor)];
    // The first round makes code hot.
    await runRounds(sides, 1);
    const samples = await runRounds(sides, rounds);
    const what = `2 MB, ${concurrency} at once`;
    comparisons.push(
      compare(samples, { what, side: OURS, base: NAIVE, goal: 0.4 }),
      compare(samples, { what, side: OURS, base: FLOOR }),
    );
  }
  return comparisons;
}
