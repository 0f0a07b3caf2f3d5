import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ERAS } from "./support/mcp-clients.ts";
import { IS_PROOF, report, startLoadedServer, toOutcome, type Outcome } from "./support/loaded-server.ts";

const DRAW_MS = IS_PROOF ? 1000 : 200;
/** 2.5 times a job: without a queue, most of a storm would time out and leave its job running. */
const TIMEOUT_SECONDS = (DRAW_MS * 2.5) / 1000;

const hasPicture = (outcome: Outcome): boolean => "imageId" in outcome;

// Proves: KSERVE-8
describe("A storm of callers at a model server that draws one picture at a time and is silent meanwhile", () => {
  for (const [callers, depth] of IS_PROOF
    ? ([
        [8, 32],
        [64, 32],
      ] as const)
    : ([
        [3, 32],
        [12, 3],
      ] as const)) {
    test(`gives each of ${callers} callers a picture or an honest "busy", and leaves no job behind`, async () => {
      await using server = await startLoadedServer({
        KSERVE_TIMEOUT: String(TIMEOUT_SECONDS),
        KSERVE_QUEUE_DEPTH: String(depth),
      });
      server.runtime.drawMs = DRAW_MS;
      const clients = await Promise.all(
        Array.from({ length: callers }, async (_, index) => server.connect(ERAS[index % 2] ?? "modern")),
      );
      const startedAt = performance.now();
      const outcomes = await Promise.all(
        clients.map(async (client, index) =>
          toOutcome(await client.callTool({ name: "generate_image", arguments: toArguments(index) })),
        ),
      );
      const seconds = (performance.now() - startedAt) / 1000;
      await Promise.all(clients.map(async (client) => client.close()));

      const pictures = outcomes.filter(hasPicture).length;
      assert.equal(pictures, Math.min(callers, depth + 1));
      for (const outcome of outcomes) {
        if ("imageId" in outcome) continue;
        assert.equal(outcome.error, "queue_full");
        assert.ok(Number(outcome.retryAfterSeconds) >= 1);
      }
      assert.equal(server.runtime.posts.length, pictures);
      assert.equal(server.runtime.mostAtOnce, 1);
      assert.equal(server.runtime.isDrawing, false);
      report(
        `${callers} callers: ${pictures} pictures, ${callers - pictures} busy, ${server.runtime.posts.length} POSTs, ` +
          `${seconds.toFixed(1)} s, 0 jobs left`,
      );
    });
  }

  test("does not let a job wait behind one that timed out", async () => {
    await using server = await startLoadedServer({ KSERVE_TIMEOUT: String(TIMEOUT_SECONDS), KSERVE_MAX_RETRIES: "0" });
    const client = await server.connect("modern");
    server.runtime.drawMs = DRAW_MS * 4;
    const late = client.callTool({ name: "generate_image", arguments: toArguments(1) });
    await server.runtime.waitForRequests("POST");
    server.runtime.drawMs = DRAW_MS;
    const next = client.callTool({ name: "generate_image", arguments: toArguments(2) });
    assert.equal(JSON.stringify(toOutcome(await late)), JSON.stringify({ error: "upstream_timeout" }));
    assert.equal(server.runtime.isDrawing, true);
    assert.equal(hasPicture(toOutcome(await next)), true);
    assert.equal(server.runtime.mostAtOnce, 1);
    await client.close();
  });
});

describe("A greedy client beside polite ones", () => {
  test("leaves each of nine polite clients at least 80 % of its share", async () => {
    const [rounds, greed, depth] = IS_PROOF ? [50, 100, 32] : [10, 20, 12];
    const polite = 9;
    await using server = await startLoadedServer({ KSERVE_QUEUE_DEPTH: String(depth) });
    server.runtime.drawMs = 10;
    // A session is a client of its own; clients without one are told apart by their address alone.
    const [greedy, ...others] = await Promise.all(
      Array.from({ length: polite + 1 }, async () => server.connect("legacy")),
    );
    assert.ok(greedy);
    const counts = others.map(() => 0);
    let total = 0;
    let refused = 0;
    const isOver = (): boolean => total >= rounds * (polite + 1);
    const draw = async (client: typeof greedy, seed: number): Promise<Outcome> => {
      const outcome = toOutcome(await client.callTool({ name: "generate_image", arguments: toArguments(seed) }));
      if (hasPicture(outcome)) total++;
      return outcome;
    };
    const beGreedy = async (seed: number): Promise<void> => {
      while (!isOver()) {
        const outcome = await draw(greedy, seed);
        if ("imageId" in outcome) continue;
        refused++;
        await delay(1000 * Number(outcome.retryAfterSeconds));
      }
    };
    const bePolite = async (client: typeof greedy, index: number): Promise<void> => {
      while (!isOver()) {
        assert.ok(hasPicture(await draw(client, index)), "a polite client is never refused");
        counts[index] = (counts[index] ?? 0) + 1;
      }
    };
    await Promise.all([
      ...Array.from({ length: greed }, async (_, index) => beGreedy(index)),
      ...others.map(async (client, index) => bePolite(client, index)),
    ]);
    await Promise.all([greedy, ...others].map(async (client) => client.close()));
    const least = Math.min(...counts);
    report(
      `greedy x${greed} beside 9: the least polite client got ${least} of its share of ${rounds}; ${refused} busy`,
    );
    assert.ok(refused > 0);
    assert.ok(least >= 0.8 * rounds, `${least} of ${rounds}`);
  });
});

function toArguments(seed: number): Record<string, unknown> {
  return { prompt: `storm ${seed}`, width: 64, height: 64, seed };
}
