import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { KServeError } from "../core/errors.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { createImageServiceBench } from "../testing/image-service-bench.ts";
import { LostCalls, toCallKey } from "./lost-calls.ts";
import type { ImageProgress } from "./image-job.ts";

const REQUEST: GenerateImageRequest = { prompt: "a red fox", width: 64 };

/** A bench whose generator draws until `finish()` and is busy until `rest()`. */
function createHeldBench() {
  const bench = createImageServiceBench();
  const drawing = Promise.withResolvers<void>();
  const busy = Promise.withResolvers<void>();
  bench.generator.gate = drawing.promise;
  bench.generator.idle = busy.promise;
  const call = (clientId: string, request: GenerateImageRequest = REQUEST) => {
    const [cancel, lose] = [new AbortController(), new AbortController()];
    const progress: ImageProgress["phase"][] = [];
    const answer = bench.images.generate(request, {
      clientId,
      signal: cancel.signal,
      lostSignal: lose.signal,
      onProgress: ({ phase }) => progress.push(phase),
    });
    return { answer, progress, cancel: () => cancel.abort(), lose: () => lose.abort() };
  };
  return { ...bench, call, finish: drawing.resolve, rest: busy.resolve };
}

// Proves: TOOL-5
describe("ImageService after a job was given up in flight", () => {
  test("answers a cancelled caller at once, and holds the place until the generator is idle", async () => {
    const { call, queue, generator, rest, events } = createHeldBench();
    const first = call("a");
    await nextTurn();
    const second = call("b");
    first.cancel();
    await assert.rejects(first.answer, isErrorWithCode("cancelled"));
    await nextTurn();
    assert.deepEqual([queue.running, queue.waiting, generator.requests.length], [1, 1, 1]);
    generator.gate = Promise.resolve();
    rest();
    await second.answer;
    assert.equal(queue.running, 0);
    assert.deepEqual(events, ["ended cancelled", "ended ok"]);
  });

  test("asks with a generous estimate of what is left, and gives the place back when a job's timeout is over", async () => {
    const { call, clock, queue, generator, finish } = createHeldBench();
    const sample = call("a");
    await nextTurn();
    await clock.advance(8000);
    finish();
    await sample.answer;
    generator.gate = new Promise(() => undefined);
    const job = call("a");
    await nextTurn();
    await clock.advance(3000);
    job.cancel();
    await assert.rejects(job.answer);
    assert.deepEqual(
      generator.idleQuestions.map(({ estimatedMs }) => estimatedMs),
      [11_000],
    );
    await clock.advance(19_999);
    assert.equal(queue.running, 1);
    await clock.advance(1);
    await nextTurn();
    assert.equal(queue.running, 0);
    assert.equal(generator.idleQuestions[0]?.signal.aborted, true);
    assert.equal(queue.nextPosition().estimatedSeconds, 0);
  });

  test("holds the place after a failure that leaves the job perhaps running, and after no other", async () => {
    const { call, queue, generator, rest, finish } = createHeldBench();
    finish();
    generator.failure = new KServeError("upstream_error", "Failed");
    await assert.rejects(call("a").answer, isErrorWithCode("upstream_error"));
    assert.equal(queue.running, 0);
    generator.failure = new KServeError("upstream_timeout", "Silent", { details: { maybe_running: true } });
    await assert.rejects(call("a").answer, isErrorWithCode("upstream_timeout"));
    assert.equal(queue.running, 1);
    rest();
    await nextTurn();
    assert.equal(queue.running, 0);
  });

  test("gives the place back at once when the job was not sent yet", async () => {
    const { call, queue, generator } = createHeldBench();
    generator.phase = "waking";
    const job = call("a");
    await nextTurn();
    job.cancel();
    await assert.rejects(job.answer, isErrorWithCode("cancelled"));
    assert.deepEqual([queue.running, generator.idleQuestions.length], [0, 0]);
  });

  test("drain() holds the place while accepted jobs wait, and no longer", async () => {
    const { call, images, queue, generator, rest } = createHeldBench();
    const [first, second] = [call("a"), call("b")];
    await nextTurn();
    first.cancel();
    await assert.rejects(first.answer);
    const drained = images.drain();
    await nextTurn();
    assert.equal(generator.requests.length, 1);
    second.cancel();
    await assert.rejects(second.answer);
    await nextTurn();
    assert.equal(generator.idleQuestions[0]?.signal.aborted, true);
    rest();
    await drained;
    assert.equal(queue.running, 0);
  });
});

describe("ImageService after a caller was cut off", () => {
  test("goes on, and gives the picture to the same call of the same client", async () => {
    const { call, images, generator, finish, storage } = createHeldBench();
    const first = call("a");
    await nextTurn();
    first.lose();
    const again = call("a");
    await nextTurn();
    assert.deepEqual(again.progress, ["generating"]);
    finish();
    const answer = await again.answer;
    assert.deepEqual(again.progress, ["generating", "saving"]);
    assert.deepEqual(first.progress, ["generating"]);
    assert.deepEqual([generator.requests.length, storage.images.size], [1, 1]);
    assert.deepEqual(await first.answer, answer);
    assert.equal((await images.getMetadata(answer.image_id))?.url, answer.url);
  });

  test("gives the finished picture to a call that comes within a minute, once, and while it is stored", async () => {
    const { call, clock, images, generator, finish } = createHeldBench();
    finish();
    const first = call("a");
    const { image_id } = await first.answer;
    // The loss shows only when the answer is sent.
    first.lose();
    await clock.advance(59_999);
    const again = call("a");
    assert.equal((await again.answer).image_id, image_id);
    const third = call("a");
    assert.notEqual((await third.answer).image_id, image_id);
    third.lose();
    await images.deleteImage((await third.answer).image_id);
    const fourth = call("a");
    await fourth.answer;
    assert.equal(generator.requests.length, 3);
    fourth.lose();
    await nextTurn();
    await clock.advance(60_000);
    await call("a").answer;
    assert.equal(generator.requests.length, 4);
  });

  test("keeps equal calls apart while their callers are there, and calls of others and other calls always", async () => {
    const { call, generator, finish } = createHeldBench();
    const first = call("a");
    const equal = call("a");
    first.lose();
    const [otherClient, otherCall] = [call("b"), call("a", { ...REQUEST, seed: 5 })];
    finish();
    const answers = await Promise.all([first, equal, otherClient, otherCall].map(async ({ answer }) => answer));
    assert.equal(new Set(answers.map(({ image_id }) => image_id)).size, 4);
    assert.equal(generator.requests.length, 4);
  });

  test("obeys the cancel of the caller that took over, and of the first no more", async () => {
    const { call, queue, rest } = createHeldBench();
    const first = call("a");
    await nextTurn();
    first.lose();
    const again = call("a");
    await nextTurn();
    first.cancel();
    await nextTurn();
    assert.equal(queue.running, 1);
    again.cancel();
    await assert.rejects(again.answer, isErrorWithCode("cancelled"));
    await assert.rejects(first.answer, isErrorWithCode("cancelled"));
    rest();
    await nextTurn();
    assert.equal(queue.running, 0);
  });

  test("starts anew after a lost job that failed", async () => {
    const { call, generator, finish } = createHeldBench();
    generator.failure = new KServeError("upstream_error", "Failed");
    const first = call("a");
    first.lose();
    finish();
    await assert.rejects(first.answer);
    generator.failure = undefined;
    await call("a").answer;
    assert.equal(generator.requests.length, 2);
  });
});

test("LostCalls forgets a job that fails, and the oldest beyond a thousand", async () => {
  const calls = new LostCalls({ clock: createFakeClock() });
  calls.add("failed", { result: Promise.reject(new Error("Failed")) });
  await nextTurn();
  assert.equal(calls.take("failed"), undefined);
  const jobs = Array.from({ length: 1001 }, () => ({ result: new Promise(() => undefined) }));
  for (const [index, job] of jobs.entries()) calls.add(`key ${index}`, job);
  assert.equal(calls.take("key 0"), undefined);
  assert.equal(calls.take("key 1"), jobs[1]);
  assert.equal(calls.take("key 1"), undefined);
  assert.equal(calls.take("key 1000"), jobs[1000]);
});

test("toCallKey() tells every argument and the client apart, and shows none", () => {
  const requests: GenerateImageRequest[] = [
    { prompt: "x" },
    { prompt: "y" },
    { prompt: "x", negativePrompt: "y" },
    { prompt: "x", width: 64 },
    { prompt: "x", height: 64 },
    { prompt: "x", numInferenceSteps: 64 },
    { prompt: "x", guidanceScale: 2 },
    { prompt: "x", seed: 0 },
  ];
  const keys = ["a", "b"].flatMap((clientId) => requests.map((request) => toCallKey(clientId, request)));
  assert.equal(new Set(keys).size, 16);
  assert.equal(toCallKey("a", { seed: 1, prompt: "x" }), toCallKey("a", { prompt: "x", seed: 1 }));
  for (const key of keys) assert.match(key, /^[0-9a-f]{64}$/);
});
