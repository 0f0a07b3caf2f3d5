import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KServeError } from "../core/errors.ts";
import { createImageServiceBench } from "../testing/image-service-bench.ts";
import type { JobEvent } from "./job-board.ts";

describe("ImageService.jobs", () => {
  test("lists the jobs that have not ended, the oldest first, with what each is at", async () => {
    const { images, generator, clock } = createImageServiceBench();
    const gate = Promise.withResolvers<void>();
    generator.gate = gate.promise;
    const first = images.generate({ prompt: "one" }, { clientId: "a" });
    await clock.advance(1000);
    const second = images.generate({ prompt: "two" }, { clientId: "a" });
    await clock.advance(0);

    assert.deepEqual(
      images.jobs.list().map(({ request, progress, startedAtMs }) => [request.prompt, progress, startedAtMs]),
      [
        ["one", { phase: "generating" }, Date.UTC(2026, 0, 1)],
        ["two", { phase: "queued", ahead: 1, estimatedSeconds: undefined }, Date.UTC(2026, 0, 1, 0, 0, 1)],
      ],
    );
    gate.resolve();
    await Promise.all([first, second]);
    assert.deepEqual(images.jobs.list(), []);
  });

  test("tells a listener of each step until it unsubscribes, and outlives a listener that throws", async () => {
    const { images, generator } = createImageServiceBench();
    const events: JobEvent[] = [];
    const leave = images.jobs.subscribe((event) => events.push(event));
    images.jobs.subscribe(() => {
      throw new Error("A listener that throws");
    });
    const { image_id: imageId } = await images.generate({ prompt: "one" }, { clientId: "a" });
    generator.failure = new KServeError("upstream_error", "No");
    await assert.rejects(images.generate({ prompt: "two" }, { clientId: "a" }));
    leave();
    await assert.rejects(images.generate({ prompt: "three" }, { clientId: "a" }));

    assert.deepEqual(
      events.map((event) => [event.kind, event.job.request.prompt, event.job.progress.phase]),
      [
        ["started", "one", "accepted"],
        ["progressed", "one", "generating"],
        ["progressed", "one", "saving"],
        ["succeeded", "one", "saving"],
        ["started", "two", "accepted"],
        ["progressed", "two", "generating"],
        ["failed", "two", "generating"],
      ],
    );
    assert.equal(events[0]?.job.imageId, imageId);
    const last = events.at(-1);
    assert.ok(last?.kind === "failed" && last.error.code === "upstream_error");
  });
});

describe("ImageService.generate() with maxWaitMs", () => {
  test("answers in the same shape that the job runs, and the picture comes under that id", async () => {
    const { images, generator, clock } = createImageServiceBench();
    const gate = Promise.withResolvers<void>();
    generator.gate = gate.promise;
    const cancel = new AbortController();
    const request = { prompt: "slow", negativePrompt: "text", width: 64, numInferenceSteps: 9 };
    const call = images.generate(request, { clientId: "a", maxWaitMs: 45_000, signal: cancel.signal });
    await clock.waitForSleepers();
    await clock.advance(45_000);
    const { image_id: imageId, url, metadata } = await call;

    assert.equal(url, `http://127.0.0.1:8000/images/${imageId}`);
    assert.deepEqual(metadata, {
      status: "running",
      image_id: imageId,
      created_at: "2026-01-01T00:00:00.000Z",
      expires_at: "2026-01-01T01:00:00.000Z",
      prompt: "slow",
      negative_prompt: "text",
      width: 64,
      num_inference_steps: 9,
      phase: "generating",
      url,
    });
    // Nobody waits any more: an abort that comes after the answer, as the MCP SDK's does, is no cancel.
    cancel.abort();
    assert.equal(await images.getMetadata(imageId), undefined);
    gate.resolve();
    await images.drain();
    assert.equal((await images.getMetadata(imageId))?.["prompt"], "slow");
    assert.equal(clock.sleepers, 0);
  });

  test("answers as ever when the picture is there in time, and leaves no timer behind", async () => {
    const { images, clock } = createImageServiceBench();
    const { metadata } = await images.generate({ prompt: "quick" }, { clientId: "a", maxWaitMs: 45_000 });
    assert.equal(metadata["status"], undefined);
    assert.equal(clock.sleepers, 0);
  });

  test("0 still refuses a job that the queue does not take", async () => {
    const { images, generator, clock } = createImageServiceBench({ depth: 0 });
    generator.gate = new Promise(() => undefined);
    const first = images.generate({ prompt: "one" }, { clientId: "a", maxWaitMs: 0 });
    await clock.advance(0);
    assert.equal((await first).metadata["status"], "running");
    await assert.rejects(images.generate({ prompt: "two" }, { clientId: "b", maxWaitMs: 0 }), { code: "queue_full" });
  });
});
