import assert from "node:assert/strict";
import { test } from "node:test";
import { KServeError } from "../core/errors.ts";
import { FairQueue } from "../queue/fair-queue.ts";
import { createImageId } from "../core/image-id.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createImageServiceBench, SteppedGenerator } from "../testing/image-service-bench.ts";
import { MockStorage } from "../testing/mock-storage.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import type { ImageProgress } from "./image-job.ts";
import { ImageService } from "./image-service.ts";

// Proves: TOOL-2
test("ImageService.generate() answers with the URL, the id and the metadata of the stored picture", async () => {
  const { images, storage, events } = createImageServiceBench();
  const response = await images.generate({ prompt: "a red circle", seed: 7 }, { clientId: "a" });
  assert.match(response.image_id, /^img_/);
  assert.equal(response.url, `http://127.0.0.1:8000/images/${response.image_id}`);
  const { metadata } = response;
  assert.equal(metadata["seed"], 7);
  assert.equal(metadata["prompt"], "a red circle");
  assert.equal(metadata["width"], 1);
  assert.equal(metadata["mime_type"], "image/png");
  assert.equal(metadata["created_at"], "2026-01-01T00:00:00.000Z");
  assert.equal(metadata["expires_at"], "2026-01-01T01:00:00.000Z");
  assert.equal(metadata["queue_wait_seconds"], 0);
  assert.deepEqual(metadata["seed_report"], { requested: 7, sent: 7, echoed: null, honoured: "unknown" });
  assert.equal(metadata["size"], storage.images.get(response.image_id)?.length);
  assert.deepEqual(events, ["ended ok"]);
});

test("ImageService.generate() leaves to the generator what was not given, draws a seed, and reports that none was asked for", async () => {
  const { images, generator } = createImageServiceBench();
  const first = await images.generate({ prompt: "x" }, { clientId: "a" });
  const second = await images.generate({ prompt: "x" }, { clientId: "a" });
  assert.deepEqual(generator.requests[0], { prompt: "x", seed: first.metadata["seed"] });
  assert.notEqual(first.metadata["seed"], second.metadata["seed"]);
  assert.partialDeepStrictEqual(first.metadata["seed_report"], { requested: null, sent: first.metadata["seed"] });
});

test("ImageService.generate() marks the picture with its parameters before it stores it", async () => {
  const { images, storage } = createImageServiceBench();
  const { image_id } = await images.generate({ prompt: "a blue star" }, { clientId: "a" });
  const stored = storage.images.get(image_id);
  assert.equal(stored?.includes("parameters\0a blue star\nSeed: "), true);
});

test("ImageService.generate() tells the place in the queue, then each phase", async () => {
  const { images, generator } = createImageServiceBench();
  const { promise, resolve } = Promise.withResolvers<void>();
  generator.gate = promise;
  const first = images.generate({ prompt: "1" }, { clientId: "a" });
  const progress: ImageProgress[] = [];
  const second = images.generate({ prompt: "2" }, { clientId: "b", onProgress: (step) => progress.push(step) });
  await new Promise(setImmediate);
  resolve();
  await Promise.all([first, second]);
  assert.deepEqual(
    progress.map((step) => step.phase),
    ["queued", "generating", "saving"],
  );
});

// Proves: TOOL-5
test("ImageService.generate() ends when its signal aborts, queued or drawing, and frees the place", async () => {
  const { images, generator, queue, storage, events } = createImageServiceBench();
  generator.gate = new Promise(() => undefined);
  const drawing = new AbortController();
  const waiting = new AbortController();
  const first = images.generate({ prompt: "1" }, { clientId: "a", signal: drawing.signal });
  await new Promise(setImmediate);
  const second = images.generate({ prompt: "2" }, { clientId: "a", signal: waiting.signal });
  await new Promise(setImmediate);
  waiting.abort();
  await assert.rejects(second, isErrorWithCode("cancelled"));
  drawing.abort();
  await assert.rejects(first, isErrorWithCode("cancelled"));
  assert.equal(queue.running, 0);
  assert.equal(storage.images.size, 0);
  assert.deepEqual(events, ["rejected cancelled", "ended cancelled"]);
});

test("ImageService.generate() refuses at once when the queue is full", async () => {
  const { images, generator, events } = createImageServiceBench({ depth: 0 });
  const { promise, resolve } = Promise.withResolvers<void>();
  generator.gate = promise;
  const first = images.generate({ prompt: "1" }, { clientId: "a" });
  await new Promise(setImmediate);
  await assert.rejects(images.generate({ prompt: "2" }, { clientId: "b" }), isErrorWithCode("queue_full"));
  resolve();
  await first;
  assert.deepEqual(events, ["rejected queue_full", "ended ok"]);
});

test("ImageService.generate() stores nothing when the generator fails, and the next job runs", async () => {
  const { images, generator, storage, events } = createImageServiceBench();
  generator.failure = new KServeError("upstream_unavailable", "Refused");
  await assert.rejects(images.generate({ prompt: "1" }, { clientId: "a" }), isErrorWithCode("upstream_unavailable"));
  assert.equal(storage.images.size, 0);
  generator.failure = undefined;
  await images.generate({ prompt: "2" }, { clientId: "a" });
  assert.deepEqual(events, ["ended upstream_unavailable", "ended ok"]);
});

// Proves: HTTP-15
test("ImageService treats a picture as unknown from the moment its time is over", async () => {
  const { images, clock, storage } = createImageServiceBench({ ttlSeconds: 60 });
  const { image_id } = await images.generate({ prompt: "x" }, { clientId: "a" });
  await clock.advance(59_999);
  assert.equal((await images.getImage(image_id))?.record.image_id, image_id);
  assert.equal((await images.getMetadata(image_id))?.image_id, image_id);
  assert.equal((await images.listImages()).images.length, 1);
  await clock.advance(1);
  assert.equal(await images.getImage(image_id), undefined);
  assert.equal(await images.getMetadata(image_id), undefined);
  assert.deepEqual((await images.listImages()).images, []);
  assert.equal(storage.images.size, 1);
});

test("ImageService without a time to live keeps pictures for ever", async () => {
  const clock = createFakeClock();
  const service = new ImageService({
    storage: new MockStorage({ clock }),
    generator: new SteppedGenerator(),
    queue: new FairQueue({ concurrency: 1, depth: 1, timeoutMs: 1000, clock }),
    ttlSeconds: undefined,
    clock,
  });
  const { image_id, metadata } = await service.generate({ prompt: "x" }, { clientId: "a" });
  assert.equal(metadata["expires_at"], null);
  await clock.advance(1e12);
  const record = await service.getMetadata(image_id);
  assert.ok(record);
  assert.equal(service.remainingSeconds(record), Infinity);
  assert.equal(await service.cleanupExpired(), 0);
});

test("ImageService.drain() waits for accepted jobs and refuses new ones", async () => {
  const { images, generator } = createImageServiceBench();
  const { promise, resolve } = Promise.withResolvers<void>();
  generator.gate = promise;
  const job = images.generate({ prompt: "1" }, { clientId: "a" });
  await new Promise(setImmediate);
  let drained = false;
  const drain = images.drain().then(() => {
    drained = true;
  });
  await assert.rejects(images.generate({ prompt: "2" }, { clientId: "a" }), isErrorWithCode("shutting_down"));
  assert.equal(drained, false);
  resolve();
  await job;
  await drain;
  assert.equal(drained, true);
});

test("ImageService.keepImage() lifts the time to live from a picture, and lays it on again", async () => {
  const { images, clock } = createImageServiceBench({ ttlSeconds: 60 });
  const { image_id: kept } = await images.generate({ prompt: "x" }, { clientId: "a" });
  const { image_id: late } = await images.generate({ prompt: "x" }, { clientId: "a" });
  assert.partialDeepStrictEqual(await images.keepImage(kept, true), { image_id: kept, kept: true, expires_at: null });
  await clock.advance(60_000);
  assert.equal(await images.keepImage(late, true), undefined);
  assert.equal(await images.cleanupExpired(), 0);
  await clock.advance(1);
  assert.equal(await images.cleanupExpired(), 1);
  assert.equal((await images.getImage(kept))?.record.image_id, kept);
  assert.deepEqual(
    (await images.listImages()).images.map((image) => image.image_id),
    [kept],
  );
  const released = await images.keepImage(kept, false);
  assert.equal(released?.expires_at, "2026-01-01T00:01:00.000Z");
  assert.equal(await images.getImage(kept), undefined);
  assert.equal(await images.keepImage(kept, true), undefined);
});

test("ImageService.generate() tells that the store is full before it queues or draws, and draws again once it is not", async () => {
  const { images, storage, generator, queue, events } = createImageServiceBench({
    limits: { maxBytes: 2000, reservedBytes: 900 },
  });
  const { image_id } = await images.generate({ prompt: "1" }, { clientId: "a" });
  assert.equal(storage.images.get(image_id)?.length, storage.usage?.bytes);
  await storage.saveImage(createSampleImage(900), createImageId(0), {});
  await assert.rejects(images.generate({ prompt: "2" }, { clientId: "a" }), isErrorWithCode("storage_full"));
  assert.deepEqual([generator.requests.length, queue.running, queue.waiting], [1, 0, 0]);
  assert.deepEqual(events, ["ended ok", "rejected storage_full"]);
  await storage.deleteImage(image_id);
  await images.generate({ prompt: "3" }, { clientId: "a" });
  assert.equal(generator.requests.length, 2);
});
