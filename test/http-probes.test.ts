import assert from "node:assert/strict";
import { test } from "node:test";
import { createImageId } from "../src/core/image-id.ts";
import { createPrometheusMetrics } from "../src/telemetry/prometheus-metrics.ts";
import { assertError, parseJson, startServer } from "./http-support.ts";

const UNKNOWN = createImageId(Date.UTC(2026, 0, 1));

// Proves: HTTP-8
test("GET /health is 200 within its time whatever the parts do, and asks them once in a while only", async () => {
  let calls = 0;
  let kserve = async (): Promise<"healthy" | "unhealthy"> => "healthy";
  const count = async (): Promise<"healthy" | "unhealthy"> => {
    calls += 1;
    return kserve();
  };
  await using server = await startServer({ health: { kserve: count, storage: async () => "healthy" } });
  const get = async (): Promise<unknown> => {
    const answer = await server.get("/health");
    assert.equal(answer.status, 200);
    return parseJson(answer);
  };
  const report = { service: "healthy", kserve: "healthy", storage: "healthy", timestamp: "2026-01-01T00:00:00.000Z" };
  assert.deepEqual(await Promise.all([get(), get(), get()]), [report, report, report]);
  assert.equal(calls, 1);

  kserve = async () => {
    throw new Error("broken");
  };
  await server.clock.advance(3_000);
  assert.deepEqual(await get(), { ...report, kserve: "unhealthy", timestamp: "2026-01-01T00:00:03.000Z" });

  kserve = async () => new Promise(() => undefined);
  await server.clock.advance(3_000);
  const slow = get();
  await server.clock.waitForSleepers();
  await server.clock.advance(1_000);
  assert.deepEqual(await slow, { ...report, kserve: "unhealthy", timestamp: "2026-01-01T00:00:07.000Z" });
  assert.equal(calls, 3);
  assert.equal(server.clock.sleepers, 0);
});

test("GET /livez asks nobody; GET /readyz is 503 for a failing storage and while draining, not for a busy model", async () => {
  let storage: "healthy" | "unhealthy" = "healthy";
  await using server = await startServer({
    health: { kserve: async () => "unhealthy", storage: async () => storage },
  });
  const ready = async (): Promise<unknown> => {
    const answer = await server.get("/readyz");
    return [answer.status, parseJson(answer)];
  };
  assert.deepEqual(await ready(), [200, { status: "ready", kserve: "unhealthy", storage: "healthy" }]);
  storage = "unhealthy";
  await server.clock.advance(3_000);
  assert.deepEqual(await ready(), [503, { status: "storage_unhealthy", kserve: "unhealthy", storage: "unhealthy" }]);
  storage = "healthy";
  await server.clock.advance(3_000);
  server.http.drain();
  assert.deepEqual(await ready(), [503, { status: "draining", kserve: "unhealthy", storage: "healthy" }]);
  assert.deepEqual(parseJson(await server.get("/livez")), { status: "alive" });
});

// Proves: HTTP-9
test("GET /metrics gives Prometheus text that counts answers for pictures, and is 404 without a printer", async () => {
  const metrics = createPrometheusMetrics({
    version: "1.0.0",
    queue: () => ({ waiting: 2, running: 1 }),
    sessions: () => 0,
  });
  await using server = await startServer({ metrics, metricsPrinter: metrics });
  const id = await server.save();
  await server.get(`/images/${id}`);
  const { etag = "" } = (await server.get(`/images/${id}`)).headers;
  await server.get(`/images/${id}`, { "if-none-match": etag });
  await server.get(`/images/${id}`, { range: "bytes=0-1" });
  await server.get(`/images/${UNKNOWN}`);
  const answer = await server.get("/metrics");
  assert.equal(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  const lines = answer.body.toString().split("\n");
  assert.deepEqual(
    lines.filter((line) => line.startsWith("image_requests_total")),
    [
      'image_requests_total{status="200"} 2',
      'image_requests_total{status="304"} 1',
      'image_requests_total{status="206"} 1',
      'image_requests_total{status="404"} 1',
    ],
  );
  assert.equal(lines.includes("image_queue_depth 2"), true);
  await using bare = await startServer();
  assertError(await bare.get("/metrics"), 404, "not_found");
});
