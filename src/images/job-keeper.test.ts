import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { KServeError, StorageError } from "../core/errors.ts";
import { parseImageId, type ImageId } from "../core/image-id.ts";
import { MemoryJobRecords } from "../storage/memory-job-records.ts";
import { createImageServiceBench } from "../testing/image-service-bench.ts";
import type { ImageProgress } from "./image-job.ts";

/** Two services of one store. The first has answered a call that its picture is being drawn. */
async function createReplicas() {
  const first = createImageServiceBench();
  const second = createImageServiceBench(first);
  const drawing = Promise.withResolvers<void>();
  first.generator.gate = drawing.promise;
  const { image_id: imageId, url } = await early(first, { prompt: "slow", width: 64 });
  return { first, second, clock: first.clock, records: first.jobRecords, imageId, url, finish: drawing.resolve };
}

async function early(bench: ReturnType<typeof createImageServiceBench>, request: { prompt: string; width?: number }) {
  const call = bench.images.generate(request, { clientId: "a", maxWaitMs: 0 });
  await bench.clock.advance(0);
  return call;
}

async function statusOf(bench: ReturnType<typeof createImageServiceBench>, imageId: string) {
  const pending = await bench.images.findPending(imageId);
  return pending?.status === "failed" ? pending.error.details["reason"] : pending?.status;
}

describe("ImageService with shared job records", () => {
  test("tells on every replica that a picture runs, as it is known there, and serves it when it is done", async () => {
    const { first, second, imageId, url, records, finish } = await createReplicas();
    const pending = await second.images.findPending(imageId);
    assert.ok(pending?.status === "running");
    assert.deepEqual(pending, await first.images.findPending(imageId));
    assert.deepEqual(pending.response, {
      url,
      image_id: imageId,
      metadata: {
        status: "running",
        image_id: imageId,
        created_at: "2026-01-01T00:00:00.000Z",
        expires_at: "2026-01-01T01:00:00.000Z",
        prompt: "slow",
        width: 64,
        phase: "generating",
        url,
      },
    });
    finish();
    await first.images.drain();
    assert.equal(await second.images.findPending(imageId), undefined);
    assert.equal((await second.images.getMetadata(imageId))?.["prompt"], "slow");
    assert.equal(await records.readJob(toImageId(imageId)), undefined);
  });

  test("waits on another replica for the picture, and tells its progress", async () => {
    const { second, imageId, clock, finish } = await createReplicas();
    const progress: ImageProgress[] = [];
    const wait = second.images.waitForImage(imageId, { onProgress: (news) => progress.push(news) });
    await clock.waitForSleepers(2);
    await clock.advance(3000);
    finish();
    await clock.advance(3000);
    const outcome = await wait;
    assert.ok(outcome?.status === "ready");
    assert.equal(outcome.metadata.image_id, imageId);
    assert.deepEqual(progress[0], { phase: "generating" });
  });

  test("waits no longer than it may", async () => {
    for (const replica of ["first", "second"] as const) {
      const { [replica]: bench, imageId, clock } = await createReplicas();
      const wait = bench.images.waitForImage(imageId, { maxWaitMs: 40_000 });
      await clock.advance(0);
      await clock.advance(40_000);
      assert.equal((await wait)?.status, "running", replica);
      const cancel = new AbortController();
      const cancelled = bench.images.waitForImage(imageId, { signal: cancel.signal, maxWaitMs: 40_000 });
      await clock.advance(0);
      cancel.abort(new Error("The caller went"));
      await assert.rejects(cancelled, /The caller went/, replica);
      assert.equal(clock.sleepers, 1, "only the refresh of the record sleeps on");
    }
  });

  test("tells on every replica why a picture will not come, until its time would be over", async () => {
    const { first, second, imageId, clock, finish } = await createReplicas();
    const wait = first.images.waitForImage(imageId);
    first.generator.failure = new KServeError("upstream_timeout", "Secret words of the model server");
    finish();
    const outcome = await wait;
    assert.ok(outcome?.status === "failed");
    const { code, publicMessage, details } = outcome.error;
    assert.deepEqual([code, details], ["generation_failed", { image_id: imageId, reason: "upstream_timeout" }]);
    assert.match(publicMessage, /^The picture could not be drawn: The model server did not answer in time/);
    assert.equal(await statusOf(second, imageId), "upstream_timeout");
    await clock.advance(3_600_000);
    assert.equal(await statusOf(second, imageId), undefined);
  });

  test("takes a job for interrupted when its process no longer says that it lives", async () => {
    const { second, imageId, clock, records } = await createReplicas();
    await clock.advance(60_000);
    assert.equal(await statusOf(second, imageId), "running", "a process that lives says so");
    const record = await records.readJob(toImageId(imageId));
    assert.ok(record);
    // What a killed process leaves: its last word.
    const after = createImageServiceBench({ clock, storage: second.storage, jobRecords: new MemoryJobRecords() });
    await after.jobRecords.writeJob(record);
    await clock.advance(24_999);
    assert.equal(await statusOf(after, imageId), "running");
    await clock.advance(10_001);
    assert.equal(await statusOf(after, imageId), "generation_interrupted");
    const outcome = await after.images.waitForImage(imageId);
    assert.ok(outcome?.status === "failed" && /stopped before it was done/.test(outcome.error.publicMessage));
  });

  test("is told that a job was interrupted when the service that ran it shuts down before its end", async () => {
    const { first, second, imageId } = await createReplicas();
    await first.images.drain(AbortSignal.abort());
    assert.equal(await statusOf(second, imageId), "generation_interrupted");
  });

  test("ends a running job when its picture is deleted, here or on another replica", async () => {
    for (const replica of ["first", "second"] as const) {
      const { first, second, [replica]: bench, imageId, clock } = await createReplicas();
      assert.equal(await bench.images.deleteImage(imageId), true, replica);
      await clock.advance(10_000);
      await nextTurn();
      assert.deepEqual(first.images.jobs.list(), [], replica);
      assert.deepEqual(first.events, ["ended cancelled"], replica);
      assert.equal(await statusOf(second, imageId), "cancelled", replica);
      assert.equal(await second.images.deleteImage(imageId), true, "forgets it");
      assert.equal(await statusOf(second, imageId), undefined);
      assert.equal(await second.images.deleteImage(imageId), false);
    }
  });

  test("leaves nothing of a job whose caller waited to the end, whatever came of it", async () => {
    const bench = createImageServiceBench();
    const { image_id: imageId } = await bench.images.generate({ prompt: "x" }, { clientId: "a", maxWaitMs: 40_000 });
    bench.generator.failure = new KServeError("upstream_error", "No");
    await assert.rejects(bench.images.generate({ prompt: "x" }, { clientId: "a", maxWaitMs: 40_000 }));
    await bench.images.drain();
    assert.equal(await bench.jobRecords.readJob(toImageId(imageId)), undefined);
    assert.equal(bench.clock.sleepers, 0);
  });

  test("answers early even when the record cannot be written, and finds the job in its own process", async () => {
    class FullRecords extends MemoryJobRecords {
      override async writeJob(): Promise<void> {
        throw new StorageError("storage_full", "Cannot write: full");
      }
    }
    const bench = createImageServiceBench({ jobRecords: new FullRecords() });
    bench.generator.gate = new Promise(() => undefined);
    const { image_id: imageId, metadata } = await early(bench, { prompt: "x" });
    assert.equal(metadata["status"], "running");
    assert.equal(await statusOf(bench, imageId), "running");
  });

  test("deletes old records when it writes new ones, not at every one", async () => {
    class CountedRecords extends MemoryJobRecords {
      readonly sweeps: number[] = [];
      override async deleteJobsBefore(timeMs: number): Promise<number> {
        this.sweeps.push(timeMs);
        return super.deleteJobsBefore(timeMs);
      }
    }
    const jobRecords = new CountedRecords();
    const bench = createImageServiceBench({ jobRecords });
    bench.generator.gate = new Promise(() => undefined);
    await early(bench, { prompt: "1" });
    await early(bench, { prompt: "2" });
    await bench.clock.advance(600_000);
    await early(bench, { prompt: "3" });
    const dayMs = 86_400_000;
    assert.deepEqual(jobRecords.sweeps, [Date.UTC(2026, 0, 1) - 3 * dayMs, Date.UTC(2026, 0, 1, 0, 10) - 3 * dayMs]);
  });
});

function toImageId(text: string): ImageId {
  const parsed = parseImageId(text);
  assert.ok(parsed);
  return parsed.id;
}
