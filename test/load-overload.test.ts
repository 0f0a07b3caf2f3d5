import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import { IS_PROOF, report, toOutcome } from "./support/loaded-server.ts";
import { connectMcpHttp } from "./support/mcp-clients.ts";
import { readResidentBytes } from "./support/process-facts.ts";
import { ServerProcess, TemporaryFolder } from "./support/server-process.ts";

/** The model draws ten pictures a second; a hundred are asked for. */
const DRAW_MS = 100;
const CLIENTS = 100;
const PAUSE_MS = 1_000;
const WATCH_MS = 250;
const DEPTH = 8;
const DURATION_MS = IS_PROOF ? 60_000 : 3_000;
/** How many pictures come of two clients alone, who keep the model busy: what overload is measured by. */
const CALM_MS = DURATION_MS / 4;
const LEAST_GOODPUT = 0.95;
const MAX_GROWTH_BYTES = 128 * 1024 * 1024;

test("ten times as many calls as the model can serve: it stays at work, the others are told when to come again", async () => {
  await using runtime = await FakeKServeRuntime.start();
  runtime.drawMs = DRAW_MS;
  using home = new TemporaryFolder();
  // A process of its own: what the callers cost here is none of its work.
  const settings = { KSERVE_ENDPOINT: runtime.url, KSERVE_QUEUE_DEPTH: String(DEPTH) };
  await using server = await ServerProcess.start({ home: home.path, settings });
  const client = await connectMcpHttp(new URL(`${server.url}/mcp`), "modern");
  const draw = async (seed: number) =>
    toOutcome(
      await client.callTool({ name: "generate_image", arguments: { prompt: "x", width: 64, height: 64, seed } }),
    );
  await draw(0);
  const calmStartedAtMs = performance.now();
  let calm = 0;
  const keepBusy = async (index: number): Promise<void> => {
    for (let seed = 0; performance.now() - calmStartedAtMs < CALM_MS; seed++) {
      await draw(1_000_000 + index + 2 * seed);
      calm++;
    }
  };
  await Promise.all([keepBusy(0), keepBusy(1)]);
  const calmPerSecond = calm / ((performance.now() - calmStartedAtMs) / 1000);
  const jobsBefore = runtime.posts.length;
  const rssBefore = readResidentBytes(server.child.pid);
  const startedAtMs = performance.now();
  const isOver = (): boolean => performance.now() - startedAtMs >= DURATION_MS;
  let drawn = 0;
  let refused = 0;
  let deepest = 0;
  const ask = async (index: number): Promise<void> => {
    await delay((PAUSE_MS * index) / CLIENTS);
    for (let seed = 1; !isOver(); seed++) {
      const outcome = await draw(index * 1_000 + seed);
      if ("imageId" in outcome) {
        drawn++;
        continue;
      }
      refused++;
      assert.equal(outcome.error, "queue_full");
      assert.ok(Number(outcome.retryAfterSeconds) >= 1);
      await delay(PAUSE_MS);
    }
  };
  const watch = (async (): Promise<void> => {
    while (!isOver()) {
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      deepest = Math.max(deepest, Number(/^image_queue_depth (\d+)$/m.exec(metrics)?.[1]));
      await delay(WATCH_MS);
    }
  })();
  await Promise.all(Array.from({ length: CLIENTS }, async (_, index) => ask(index)));
  await watch;
  const seconds = (performance.now() - startedAtMs) / 1000;
  const goodput = drawn / seconds / calmPerSecond;
  const growth = readResidentBytes(server.child.pid) - rssBefore;
  await client.close();
  assert.equal(runtime.mostAtOnce, 1);
  assert.ok(deepest <= DEPTH, `${deepest} jobs waited`);
  assert.ok(refused > 0);
  assert.equal(runtime.posts.length - jobsBefore, drawn, "nothing was drawn for nobody");
  // A machine with other work draws no clean line: the proof alone is strict about time and memory.
  if (IS_PROOF) assert.ok(goodput >= LEAST_GOODPUT, `goodput ${goodput}`);
  if (IS_PROOF) assert.ok(growth < MAX_GROWTH_BYTES, `${growth} bytes more`);
  report(
    `10x overload for ${Math.round(seconds)} s: goodput ${Math.round(goodput * 100)} %, ${drawn} drawn, ${refused} told to come again, at most ${deepest} waiting, RSS +${Math.round(growth / 1048576)} MiB`,
  );
});
