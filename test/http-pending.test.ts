import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KServeError } from "../src/core/errors.ts";
import { createImageServiceBench } from "../src/testing/image-service-bench.ts";
import { parseJson, startServer } from "./http-support.ts";

/** A server whose first picture is still being drawn, and what ends that. */
async function startPending() {
  const bench = createImageServiceBench();
  const drawing = Promise.withResolvers<void>();
  bench.generator.gate = drawing.promise;
  const call = bench.images.generate({ prompt: "slow" }, { clientId: "a", maxWaitMs: 0 });
  await bench.clock.advance(0);
  const { image_id: imageId } = await call;
  const server = await startServer({ images: bench.images, clock: bench.clock, storage: bench.storage });
  return { ...bench, server, imageId, finish: drawing.resolve };
}

describe("GET /images/{image_id} of a picture that is being drawn", () => {
  test("answers 202 with Retry-After and what is known, then the picture", async () => {
    const { images, server, imageId, finish } = await startPending();
    await using _ = server;
    for (const path of [`/images/${imageId}`, `/images/${imageId}.png`, `/images/${imageId}/metadata`]) {
      const answer = await server.get(path, { "if-none-match": '"x"' });
      assert.equal(answer.status, 202, path);
      assert.equal(answer.headers["retry-after"], "2");
      assert.equal(answer.headers["cache-control"], "no-store");
      assert.partialDeepStrictEqual(parseJson(answer), { status: "running", image_id: imageId, prompt: "slow" });
    }
    const head = await server.call("HEAD", `/images/${imageId}`);
    assert.deepEqual([head.status, head.body.length], [202, 0]);
    finish();
    await images.drain();
    assert.equal((await server.get(`/images/${imageId}`)).headers["content-type"], "image/png");
    assert.equal((await server.get(`/images/${imageId}/metadata`)).status, 200);
  });

  test("answers 410 with the reason when its job has failed", async () => {
    const { images, generator, server, imageId, finish } = await startPending();
    await using _ = server;
    generator.failure = new KServeError("out_of_memory", "CUDA out of memory. Tried to allocate 20 GiB");
    finish();
    await images.drain();
    for (const path of [`/images/${imageId}`, `/images/${imageId}/metadata`]) {
      const answer = await server.get(path);
      assert.equal(answer.status, 410, path);
      assert.deepEqual(parseJson(answer), {
        error: "generation_failed",
        message: "The picture could not be drawn: The model server ran out of memory",
        retryable: false,
        details: { image_id: imageId, reason: "out_of_memory" },
      });
    }
  });

  test("is ended by DELETE", async () => {
    const { images, server, imageId } = await startPending();
    await using _ = server;
    const answer = await server.call("DELETE", `/images/${imageId}`);
    assert.deepEqual(parseJson(answer), { message: "Image deleted", image_id: imageId, deleted: true });
    assert.deepEqual(images.jobs.list(), []);
    assert.equal((await server.get(`/images/${imageId}`)).status, 410);
    assert.equal((await server.call("DELETE", `/images/${imageId}`)).status, 200);
    assert.equal((await server.get(`/images/${imageId}`)).status, 404);
  });
});
