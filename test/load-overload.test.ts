import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "node:test";
import { setInterval } from "node:timers/promises";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import type { CrowdOutcome } from "./support/crowd-process.ts";
import { IS_PROOF, report } from "./support/loaded-server.ts";
import { IN_A_CONTAINER, readResidentBytes } from "./support/process-facts.ts";
import { ServerProcess, TemporaryFolder } from "./support/server-process.ts";

/** The model draws ten pictures a second; a hundred are asked for. */
const DRAW_MS = 100;
const CALLERS = 100;
const PAUSE_MS = 1_000;
const WATCH_MS = 250;
const DEPTH = 8;
const DURATION_MS = IS_PROOF ? 60_000 : 3_000;
/** How many pictures come of two callers alone, who keep the model busy: what overload is measured by. */
const CALM_MS = DURATION_MS / 4;
const LEAST_GOODPUT = 0.95;
/** Memory settles in the first part. */
const WARM_UP_PART = 0.25;
const MAX_GROWTH = 0.1;

const run = promisify(execFile);
const CROWD = join(import.meta.dirname, "support/crowd-process.ts");

test("ten times as many calls as the model can serve: it stays at work, the others are told when to come again", async () => {
  await using runtime = await FakeKServeRuntime.start();
  runtime.drawMs = DRAW_MS;
  using home = new TemporaryFolder();
  const settings = { KSERVE_ENDPOINT: runtime.url, KSERVE_QUEUE_DEPTH: String(DEPTH), ...IN_A_CONTAINER };
  await using server = await ServerProcess.start({ home: home.path, settings });
  // Server, callers and model each have a process: what one of them costs is none of another's work.
  const send = async (callers: number, durationMs: number): Promise<CrowdOutcome> => {
    const words = [CROWD, `${server.url}/mcp`, String(callers), String(durationMs), String(PAUSE_MS)];
    return JSON.parse((await run(process.execPath, words)).stdout);
  };
  const calm = await send(2, CALM_MS);
  const jobsBefore = runtime.posts.length;
  const samples: number[] = [];
  let deepest = 0;
  const ended = new AbortController();
  const watch = async (): Promise<void> => {
    for await (const _ of setInterval(WATCH_MS, undefined, { signal: ended.signal })) {
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      deepest = Math.max(deepest, Number(/^image_queue_depth (\d+)$/m.exec(metrics)?.[1]));
      samples.push(readResidentBytes(server.child.pid));
    }
  };
  const watching = watch().catch((error: unknown) => assert.equal(ended.signal.aborted, true, String(error)));
  const crowd = await send(CALLERS, DURATION_MS);
  ended.abort();
  await watching;
  const goodput = crowd.drawn / crowd.seconds / (calm.drawn / calm.seconds);
  const settled = samples.slice(Math.floor(samples.length * WARM_UP_PART));
  const half = Math.ceil(settled.length / 2);
  const [first, second] = [mean(settled.slice(0, half)), mean(settled.slice(half))];
  report(
    `10x overload for ${Math.round(crowd.seconds)} s: goodput ${Math.round(goodput * 100)} % (${toRate(crowd)} pictures a second, ${toRate(calm)} without; the model could draw ${1000 / DRAW_MS}), ${crowd.drawn} drawn, ${crowd.refused} told to come again, at most ${deepest} waiting, resident memory ${toMib(first)} -> ${toMib(second)} MiB`,
  );
  assert.deepEqual([calm.unexpected, calm.refused, crowd.unexpected], [[], 0, []]);
  assert.equal(runtime.mostAtOnce, 1);
  assert.ok(deepest <= DEPTH, `${deepest} jobs waited`);
  assert.ok(crowd.refused > 0);
  assert.equal(runtime.posts.length - jobsBefore, crowd.drawn, "nothing was drawn for nobody");
  // A machine with other work draws no clean line: the proof alone is strict about time and memory.
  if (IS_PROOF) assert.ok(goodput >= LEAST_GOODPUT, `goodput ${goodput}`);
  if (IS_PROOF) assert.ok(second <= first * (1 + MAX_GROWTH), `${first} -> ${second} bytes`);
});

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function toRate({ drawn, seconds }: CrowdOutcome): string {
  return (drawn / seconds).toFixed(1);
}

function toMib(bytes: number): number {
  return Math.round(bytes / 1048576);
}
