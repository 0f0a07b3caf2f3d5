import assert from "node:assert/strict";
import { test } from "node:test";
import { StorageError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { SavedImage } from "../storage/abstract-storage.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createImageServiceBench } from "../testing/image-service-bench.ts";
import { MockStorage } from "../testing/mock-storage.ts";

/** Stores pictures when the test says so. */
class SlowStorage extends MockStorage {
  stored = Promise.withResolvers<void>();
  asked = 0;

  override async storeImage(imageData: Uint8Array, imageId: string, metadata: JsonObject): Promise<SavedImage> {
    this.asked++;
    await this.stored.promise;
    return super.storeImage(imageData, imageId, metadata);
  }
}

function createSlowBench() {
  const clock = createFakeClock();
  const storage = new SlowStorage({ clock });
  return { ...createImageServiceBench({ clock, storage }), storage };
}

test("JobRunner lets the model draw the next picture while one is being stored, and no further ahead", async () => {
  const { images, storage, generator, queue } = createSlowBench();
  const calls = ["a", "b", "c"].map(async (clientId) => images.generate({ prompt: clientId }, { clientId }));
  await settle();
  assert.deepEqual([generator.requests.length, storage.asked], [2, 1]);
  assert.deepEqual([queue.running, queue.waiting], [1, 1]);
  storage.stored.resolve();
  await Promise.all(calls);
  assert.deepEqual([generator.requests.length, storage.images.size], [3, 3]);
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

test("JobRunner counts the time of drawing alone as that of a job", async () => {
  const { images, storage, clock, queue } = createSlowBench();
  const call = images.generate({ prompt: "x" }, { clientId: "a" });
  await settle();
  await clock.advance(60_000);
  storage.stored.resolve();
  await call;
  assert.deepEqual(queue.nextPosition(), { ahead: 0, estimatedSeconds: 0 });
  const lease = await queue.acquire("a");
  assert.equal(lease.estimateRestMs(), 0);
  lease.release();
});

test("JobRunner goes on with the next picture when one cannot be stored", async () => {
  const { images, storage, generator } = createSlowBench();
  const calls = ["a", "b", "c"].map(async (clientId) => images.generate({ prompt: clientId }, { clientId }));
  const outcomes = Promise.allSettled(calls);
  await settle();
  storage.stored.reject(new StorageError("storage_write_failed", "Disk is broken"));
  for (const outcome of await outcomes) {
    assert.equal(outcome.status, "rejected");
    assert.ok(isErrorWithCode("storage_write_failed")(outcome.reason));
  }
  assert.deepEqual([generator.requests.length, storage.asked], [3, 3]);
});

/** Lets everything happen that waits for nothing outside. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}
