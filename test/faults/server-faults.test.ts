import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import { createImageId } from "../../src/core/image-id.ts";
import { FileStorage } from "../../src/storage/file-storage.ts";
import { FakeKServeRuntime } from "../../src/testing/fake-kserve-runtime.ts";
import { assertSameBytes } from "../../src/testing/same-bytes.ts";
import { createSampleImage } from "../../src/testing/sample-images.ts";
import { toOutcome, type Outcome } from "../support/loaded-server.ts";
import { connectMcpHttp } from "../support/mcp-clients.ts";
import { ServerProcess, TemporaryFolder } from "../support/server-process.ts";
import { Trace } from "../support/strace.ts";

/** Read from the event loop, and by a thread. */
const SIZES = [9000, 300_000];
/** Saved before the server starts, so that its memory has none of them. */
const STORED = 40;
const SLOWNESS_MS = 2000;
/** A read takes some milliseconds; this machine may be busy. */
const FAST_MS = 1000;

/** A probe's answer holds for some seconds. */
const PATIENCE_MS = 30_000;

/** The whole server in a process of its own, over a folder with pictures and a model server that answers at once. */
async function startServer(t: TestContext) {
  const home = new TemporaryFolder();
  const basePath = join(home.path, "images");
  const storage = new FileStorage({ basePath, baseUrl: "" });
  const stored = Array.from({ length: STORED }, (_, index) => ({
    id: createImageId(systemClock.nowMs()),
    bytes: createSampleImage(SIZES[index % SIZES.length], "png", index),
  }));
  for (const { id, bytes } of stored) await storage.saveImage(bytes, id, {});
  const runtime = await FakeKServeRuntime.start();
  const settings = {
    HOST: "127.0.0.1",
    STORAGE_PATH: basePath,
    KSERVE_ENDPOINT: runtime.url,
    KSERVE_MAX_CONCURRENCY: "4",
    UV_USE_IO_URING: "0", // would pass the tracer by
  };
  const server = await ServerProcess.start({ home: home.path, settings }, ["serve"]);
  t.after(async () => {
    await server.stop("SIGKILL");
    await runtime.close();
    home[Symbol.dispose]();
  });
  const client = await connectMcpHttp(new URL(`${server.url}/mcp`), "modern");
  t.after(async () => client.close());
  assert.ok(server.child.pid);
  return {
    pid: server.child.pid,
    stored,
    draw: async (): Promise<Outcome> =>
      toOutcome(await client.callTool({ name: "generate_image", arguments: { prompt: "x", width: 64, height: 64 } })),
    get: async (path: string): Promise<Response> => fetch(`${server.url}${path}`),
  };
}

type Server = Awaited<ReturnType<typeof startServer>>;

/** Reads each picture of these once, and gives how long the slowest took. */
async function readAll({ get }: Server, pictures: Server["stored"]): Promise<number> {
  let slowestMs = 0;
  for (const { id, bytes } of pictures) {
    const startMs = systemClock.monotonicMs();
    const answer = await get(`/images/${id}`);
    assert.equal(answer.status, 200);
    assertSameBytes(Buffer.from(await answer.arrayBuffer()), bytes);
    slowestMs = Math.max(slowestMs, systemClock.monotonicMs() - startMs);
  }
  return slowestMs;
}

/** Asks until the probe has this status, and gives its answer: it asks the disk only now and then. */
async function untilStatus({ get }: Server, path: string, status: number): Promise<Record<string, unknown>> {
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    const answer = await get(path);
    const body = (await answer.json()) as Record<string, unknown>;
    if (answer.status === status) return body;
    await delay(100, undefined, { signal: deadline });
  }
}

async function listIds({ get }: Server): Promise<string[]> {
  const list = (await (await get("/images/?limit=1000")).json()) as { image_id: string }[];
  return list.map(({ image_id }) => image_id).sort();
}

test("The server says that the disk is full, serves what it has, and works when there is room", async (t) => {
  const server = await startServer(t);
  const before = await server.draw();
  assert.ok("imageId" in before, JSON.stringify(before));
  const full = ["fdatasync,link:error=ENOSPC"];
  const trace = await Trace.start(server.pid, { calls: "fdatasync,link", inject: full });
  const refused = await server.draw();
  assert.ok("error" in refused);
  assert.equal(refused.error, "storage_full");
  assert.equal((await untilStatus(server, "/readyz", 503))["status"], "storage_unhealthy");
  const health = await server.get("/health");
  assert.equal(health.status, 200);
  assert.equal(((await health.json()) as Record<string, unknown>)["storage"], "unhealthy");
  await readAll(server, server.stored);
  assert.deepEqual(await listIds(server), [before.imageId, ...server.stored.map(({ id }) => id)].sort());
  await trace.stop();
  assert.ok(trace.injected.length >= 2);
  assert.equal((await untilStatus(server, "/readyz", 200))["storage"], "healthy");
  const after = await server.draw();
  assert.ok("imageId" in after, JSON.stringify(after));
  const ids = [before.imageId, after.imageId, ...server.stored.map(({ id }) => id)].sort();
  assert.deepEqual(await listIds(server), ids);
});

test("The server gives pictures fast while a slow disk keeps its saves waiting", async (t) => {
  const server = await startServer(t);
  const slow = [`fsync,fdatasync:delay_enter=${SLOWNESS_MS * 1000}`];
  const trace = await Trace.start(server.pid, { calls: "fsync,fdatasync", inject: slow });
  const startMs = systemClock.monotonicMs();
  let areSaved = false;
  const drawing = Promise.all([1, 2].map(server.draw)).finally(() => (areSaved = true));
  await delay(SLOWNESS_MS / 4); // until the first are being saved
  const slowestMs = await readAll(server, server.stored);
  assert.equal(areSaved, false);
  const drawn = await drawing;
  const savedMs = systemClock.monotonicMs() - startMs;
  await trace.stop();
  for (const outcome of drawn) assert.ok("imageId" in outcome, JSON.stringify(outcome));
  assert.ok(savedMs >= 2 * SLOWNESS_MS, String(savedMs));
  t.diagnostic(
    `figure: ${STORED} reads, the slowest ${Math.round(slowestMs)} ms, beside saves of ${Math.round(savedMs)} ms`,
  );
  assert.ok(slowestMs < FAST_MS, String(slowestMs));
});
