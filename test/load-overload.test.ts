import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { IS_PROOF, report, startLoadedServer, toOutcome } from "./support/loaded-server.ts";

/** The model draws ten pictures a second; a hundred are asked for. */
const DRAW_MS = 100;
const CLIENTS = 100;
const PAUSE_MS = 1_000;
const DEPTH = 8;
const DURATION_MS = IS_PROOF ? 60_000 : 3_000;
/** How many pictures come of two clients alone, who keep the model busy: what overload is measured by. */
const CALM_MS = DURATION_MS / 4;
const LEAST_GOODPUT = 0.95;
const MAX_GROWTH_BYTES = 128 * 1024 * 1024;

test("ten times as many calls as the model can serve: it stays at work, the others are told when to come again", async () => {
  await using server = await startLoadedServer({ KSERVE_QUEUE_DEPTH: String(DEPTH) });
  server.runtime.drawMs = DRAW_MS;
  const client = await server.connect("modern");
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
  const jobsBefore = server.runtime.posts.length;
  const rssBefore = process.memoryUsage.rss();
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
      deepest = Math.max(deepest, await server.readMetric("image_queue_depth"));
      await delay(PAUSE_MS);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, async (_, index) => ask(index)));
  const seconds = (performance.now() - startedAtMs) / 1000;
  const goodput = drawn / seconds / calmPerSecond;
  const growth = process.memoryUsage.rss() - rssBefore;
  await client.close();
  assert.equal(server.runtime.mostAtOnce, 1);
  assert.ok(deepest <= DEPTH, `${deepest} jobs waited`);
  assert.ok(refused > 0);
  assert.equal(server.runtime.posts.length - jobsBefore, drawn, "nothing was drawn for nobody");
  // A machine with other work draws no clean line: the proof alone is strict about time and memory.
  if (IS_PROOF) assert.ok(goodput >= LEAST_GOODPUT, `goodput ${goodput}`);
  if (IS_PROOF) assert.ok(growth < MAX_GROWTH_BYTES, `${growth} bytes more`);
  report(
    `10x overload for ${Math.round(seconds)} s: goodput ${Math.round(goodput * 100)} %, ${drawn} drawn, ${refused} told to come again, at most ${deepest} waiting, RSS +${Math.round(growth / 1048576)} MiB`,
  );
});
