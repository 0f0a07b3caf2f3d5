import type { BenchOptions } from "./bench-options.ts";
import { BenchProcess } from "./bench-process.ts";
import type { Figure } from "./report.ts";
import { median } from "./rounds.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

const PROBE_PAUSE_MS = 5;
const PICTURES = 6;
const GOAL = 2;

interface Times {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What others notice of the server while its built-in engine draws one picture after another. */
export async function benchBesideEngine({ rounds, quick }: BenchOptions): Promise<Figure[]> {
  using folder = new TemporaryFolder();
  await using server = await BenchProcess.script("any", "engine-beside.ts", [folder.path]);
  const { url } = await server.read();
  const count = quick ? 1 : PICTURES;
  await using probe = await BenchProcess.script("any", "probe-client.ts", [
    `${String(url)}/health`,
    String(PROBE_PAUSE_MS),
  ]);
  const timesWhile = async (work: () => Promise<unknown>): Promise<Times> => {
    await probe.ask({ start: true });
    await work();
    const { p50Ms, p99Ms } = await probe.ask({ stop: true });
    return { p50Ms: Number(p50Ms), p99Ms: Number(p99Ms) };
  };
  // The first picture loads the model and makes code hot.
  await server.ask({ count: 2 });
  const runs: { readonly busy: Times; readonly idle: Times }[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    const busy = await timesWhile(async () => server.ask({ count }));
    const elapsedMs = performance.now() - startedAt;
    const idle = await timesWhile(async () => new Promise((resolve) => setTimeout(resolve, elapsedMs)));
    runs.push({ busy, idle });
  }
  return (["p50Ms", "p99Ms"] as const).map((key) => ({
    what: `GET /health while the engine draws, ${key.slice(0, 3)}`,
    value: `${median(runs.map(({ busy }) => busy[key])).toFixed(2)} ms`,
    against: `${median(runs.map(({ idle }) => idle[key])).toFixed(2)} ms, of the idle server`,
    ratio: median(runs.map(({ busy, idle }) => busy[key] / idle[key])),
    goal: GOAL,
  }));
}
