import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CallLimits } from "../src/access/call-limits.ts";
import { RedisLimitStore } from "../src/access/redis-limit-store.ts";
import { systemClock } from "../src/core/clock.ts";
import { Secret } from "../src/core/secret.ts";
import { startLoadedServer, toOutcome } from "./support/loaded-server.ts";
import { NO_REDIS, REDIS_SERVER, startRedis } from "./support/redis-server.ts";

function createReplica(
  url: string,
  options: { perMinute?: number; perDay?: number; atOnce?: number; onFailure?: "refuse" },
) {
  const store = new RedisLimitStore({ url: new Secret(url), holdSeconds: 60, clock: systemClock });
  return new CallLimits({ ...options, store });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "ok",
    (error: { code: string }) => error.code,
  );
}

describe("CallLimits with Redis", { skip: REDIS_SERVER === undefined && NO_REDIS }, () => {
  test("lets exactly as many jobs in as one client may begin, over all replicas at once", async () => {
    await using redis = await startRedis();
    const replicas = [1, 2, 3].map(() => createReplica(redis.url, { perMinute: 20, perDay: 1_000 }));
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, i) =>
        codeOf(replicas[i % 3]?.admit("alice", `job-${i}`) ?? Promise.reject()),
      ),
    );
    assert.equal(answers.filter((answer) => answer === "ok").length, 20);
    assert.equal(answers.filter((answer) => answer === "rate_limited").length, 40);
    assert.equal(await codeOf(replicas[0]?.admit("bob", "job-x") ?? Promise.reject()), "ok");
    await Promise.all(replicas.map(async (replica) => replica.close()));
  });

  test("counts what runs at once over all replicas, and gives places back", async () => {
    await using redis = await startRedis();
    const [first, second] = [createReplica(redis.url, { atOnce: 3 }), createReplica(redis.url, { atOnce: 3 })];
    const admissions = await Promise.all([1, 2, 3].map(async (i) => first.admit("alice", `job-${i}`)));
    assert.equal(await codeOf(second.admit("alice", "job-4")), "too_many_jobs");
    await admissions[0]?.release();
    assert.equal(await codeOf(second.admit("alice", "job-5")), "ok");
    await Promise.all([first.close(), second.close()]);
  });

  test("goes on by itself when Redis stops, and shares again when it is back", async () => {
    const redis = await startRedis();
    const local = createReplica(redis.url, { perMinute: 2 });
    const strict = createReplica(redis.url, { perMinute: 2, onFailure: "refuse" });
    assert.equal(await codeOf(local.admit("alice", "1")), "ok");
    assert.equal(await codeOf(strict.admit("bob", "1")), "ok");
    await redis.stop();
    assert.equal(await codeOf(local.admit("alice", "2")), "ok");
    assert.equal(await codeOf(local.admit("alice", "3")), "ok");
    assert.equal(await codeOf(local.admit("alice", "4")), "rate_limited", "counted here alone");
    assert.equal(await codeOf(strict.admit("bob", "2")), "limits_unavailable");
    await Promise.all([local.close(), strict.close()]);
  });

  test("holds for the whole server: two replicas, one limit, and a batch that does not get past it", async () => {
    await using redis = await startRedis();
    const settings = { LIMIT_JOBS_PER_MINUTE: "4", REDIS_URL: redis.url };
    await using first = await startLoadedServer(settings);
    await using second = await startLoadedServer(settings);
    const clients = [await first.connect("modern"), await second.connect("legacy")];
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, async (_, i) =>
        clients[i % 2]?.callTool({ name: "generate_image", arguments: { prompt: `cat ${i}`, width: 64, height: 64 } }),
      ),
    );
    const errors = outcomes.flatMap((outcome) => {
      const shown = outcome === undefined ? undefined : toOutcome(outcome);
      return shown !== undefined && "error" in shown ? [shown] : [];
    });
    assert.equal(errors.length, 6);
    for (const { error, retryAfterSeconds } of errors) {
      assert.equal(error, "rate_limited");
      assert.ok(Number(retryAfterSeconds) > 0 && Number(retryAfterSeconds) <= 60);
    }
    assert.equal(first.runtime.posts.length + second.runtime.posts.length, 4);
    await Promise.all(clients.map(async (client) => client.close()));
  });
});

test("one POST begins no more jobs than one client may have at once", async () => {
  await using server = await startLoadedServer({ LIMIT_JOBS_AT_ONCE: "2" });
  server.runtime.drawMs = 200;
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const post = async (body: unknown, more: Record<string, string> = {}) =>
    fetch(server.mcpUrl, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(body) });
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };
  const begun = await post({ jsonrpc: "2.0", id: 0, method: "initialize", params });
  await begun.text();
  const batch = Array.from({ length: 100 }, (_, id) => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name: "generate_image", arguments: { prompt: `cat ${id}`, width: 64, height: 64 } },
  }));
  const answer = await (await post(batch, { "mcp-session-id": begun.headers.get("mcp-session-id") ?? "" })).text();
  assert.equal(server.runtime.posts.length, 2);
  // Each error is told twice: by its code and in the words for the model.
  assert.equal(answer.split("too_many_jobs").length - 1, 98);
});
