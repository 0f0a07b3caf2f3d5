import assert from "node:assert/strict";
import { test } from "node:test";
import { StorageError } from "../core/errors.ts";
import type { CleaningOptions } from "../storage/abstract-storage.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { CleanupTask } from "./cleanup-task.ts";

/** A store whose cycles end when the test says so. */
function createSteppedStorage() {
  const cycles: {
    ttlSeconds: number;
    budgetMs: number | undefined;
    signal: AbortSignal | undefined;
    end: (deleted: number) => void;
    fail: () => void;
  }[] = [];
  let concurrent = 0;
  let mostConcurrent = 0;
  return {
    cycles,
    mostConcurrent: () => mostConcurrent,
    async cleanupExpiredImages(ttlSeconds: number, options?: CleaningOptions): Promise<number> {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      mostConcurrent = Math.max(mostConcurrent, ++concurrent);
      const signal = options?.signal;
      signal?.addEventListener("abort", () => reject(signal.reason));
      cycles.push({
        ttlSeconds,
        budgetMs: options?.budgetMs,
        signal,
        end: resolve,
        fail: () => reject(new StorageError("storage_list_failed", "Cannot list")),
      });
      return promise.finally(() => concurrent--);
    },
  };
}

async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

// Proves: CLEANUP-1, CLEANUP-5
test("CleanupTask cleans at once and then after each interval", async () => {
  const clock = createFakeClock();
  const storage = createSteppedStorage();
  const task = new CleanupTask({ storage, intervalSeconds: 300, ttlSeconds: 3600, clock });
  assert.equal(task.running, false);
  task.start();
  assert.equal(task.running, true);
  assert.equal(storage.cycles.length, 1);
  assert.equal(storage.cycles[0]?.ttlSeconds, 3600);
  assert.equal(storage.cycles[0]?.budgetMs, 150_000);
  storage.cycles[0]?.end(2);
  await settle();
  await clock.advance(299_999);
  assert.equal(storage.cycles.length, 1);
  await clock.advance(1);
  assert.equal(storage.cycles.length, 2);
  await task.stop();
});

// Proves: CLEANUP-2
test("CleanupTask never overlaps itself, however long a cycle takes", async () => {
  const clock = createFakeClock();
  const storage = createSteppedStorage();
  const task = new CleanupTask({ storage, intervalSeconds: 10, ttlSeconds: 60, clock });
  task.start();
  const joined = task.runCleanup();
  await clock.advance(100_000);
  assert.equal(storage.cycles.length, 1);
  storage.cycles[0]?.end(7);
  assert.equal(await joined, 7);
  await settle();
  await clock.advance(10_000);
  assert.equal(storage.cycles.length, 2);
  assert.equal(storage.mostConcurrent(), 1);
  await task.stop();
});

// Proves: CLEANUP-3
test("CleanupTask goes on after a failing cycle", async () => {
  const clock = createFakeClock();
  const storage = createSteppedStorage();
  const task = new CleanupTask({ storage, intervalSeconds: 10, ttlSeconds: 60, clock });
  task.start();
  storage.cycles[0]?.fail();
  await settle();
  await clock.advance(10_000);
  assert.equal(storage.cycles.length, 2);
  await task.stop();
});

// Proves: CLEANUP-4
test("CleanupTask.stop() aborts the cycle, returns when it has ended, and may be called twice", async () => {
  const storage = createSteppedStorage();
  const task = new CleanupTask({ storage, intervalSeconds: 10, ttlSeconds: 60, clock: createFakeClock() });
  task.start();
  const stopped = task.stop();
  assert.equal(storage.cycles[0]?.signal?.aborted, true);
  await stopped;
  assert.equal(task.running, false);
  assert.equal(task.task, undefined);
  await task.stop();
});

test("CleanupTask.start() can start again after stop()", async () => {
  const storage = createSteppedStorage();
  const task = new CleanupTask({ storage, intervalSeconds: 10, ttlSeconds: 60, clock: createFakeClock() });
  task.start();
  await task.stop();
  task.start();
  assert.equal(task.running, true);
  assert.equal(storage.cycles.length, 2);
  await task.stop();
});

test("CleanupTask.runCleanup() rejects with the error of the store", async () => {
  const storage = createSteppedStorage();
  const task = new CleanupTask({ storage, intervalSeconds: 10, ttlSeconds: 60, clock: createFakeClock() });
  const cycle = task.runCleanup();
  storage.cycles[0]?.fail();
  await assert.rejects(cycle, StorageError);
});
