import assert from "node:assert/strict";
import { test } from "node:test";
import { MCPImageError } from "../core/errors.ts";
import { FairQueue, type QueuePosition } from "./fair-queue.ts";
import { createFakeClock } from "../testing/fake-clock.ts";

const rejectsWith = (code: string) => (error: unknown) => error instanceof MCPImageError && error.code === code;

test("FairQueue runs no more jobs at once than its concurrency", async () => {
  const queue = new FairQueue({ concurrency: 2, depth: 10, timeoutMs: 1000 });
  let running = 0;
  let most = 0;
  const job = async () => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
  };
  await Promise.all(Array.from({ length: 8 }, async () => queue.run("a", job)));
  assert.equal(most, 2);
  assert.equal(queue.running, 0);
  assert.equal(queue.waiting, 0);
});

test("FairQueue takes turns between clients, first in first out within one", async () => {
  const queue = new FairQueue({ concurrency: 1, depth: 10, timeoutMs: 1000 });
  const first = await queue.acquire("greedy");
  const order: string[] = [];
  const add = async (client: string, name: string) => queue.run(client, async () => void order.push(name));
  const jobs = [add("greedy", "g1"), add("greedy", "g2"), add("greedy", "g3"), add("polite", "p1"), add("other", "o1")];
  first.release();
  await Promise.all(jobs);
  assert.deepEqual(order, ["g1", "p1", "o1", "g2", "g3"]);
});

test("FairQueue refuses a job at once when it is full, and says how many are ahead", async () => {
  const queue = new FairQueue({ concurrency: 1, depth: 1, timeoutMs: 1000 });
  const lease = await queue.acquire("a");
  const waiting = queue.acquire("a");
  await assert.rejects(queue.acquire("b"), (error) => {
    assert.ok(error instanceof MCPImageError);
    assert.equal(error.code, "queue_full");
    assert.equal(error.details["ahead"], 2);
    return true;
  });
  lease.release();
  (await waiting).release();
});

test("FairQueue tells each waiting job its place whenever it changes", async () => {
  const queue = new FairQueue({ concurrency: 1, depth: 10, timeoutMs: 1000 });
  const lease = await queue.acquire("a");
  const seen: number[] = [];
  const onPosition = (position: QueuePosition) => seen.push(position.ahead);
  const second = queue.acquire("b");
  const third = queue.acquire("c", { onPosition });
  assert.deepEqual(seen, [2]);
  lease.release();
  (await second).release();
  (await third).release();
  assert.deepEqual(seen, [2, 1]);
});

test("FairQueue estimates the wait from the durations of the jobs before", async () => {
  const clock = createFakeClock();
  const queue = new FairQueue({ concurrency: 1, depth: 10, timeoutMs: 60_000, clock });
  assert.deepEqual(queue.nextPosition(), { ahead: 0, estimatedSeconds: undefined });
  const lease = await queue.acquire("a");
  await clock.advance(4000);
  lease.release();
  const second = await queue.acquire("a");
  assert.deepEqual(queue.nextPosition(), { ahead: 1, estimatedSeconds: 4 });
  second.release();
});

test("FairQueue drops a waiting job when its signal aborts, and the next one moves up", async () => {
  const queue = new FairQueue({ concurrency: 1, depth: 10, timeoutMs: 1000 });
  const lease = await queue.acquire("a");
  const controller = new AbortController();
  const gone = queue.acquire("b", { signal: controller.signal });
  const positions: number[] = [];
  const stays = queue.acquire("c", { onPosition: ({ ahead }) => positions.push(ahead) });
  controller.abort();
  await assert.rejects(gone, rejectsWith("cancelled"));
  assert.equal(queue.waiting, 1);
  lease.release();
  (await stays).release();
  assert.deepEqual(positions, [2, 1]);
});

test("FairQueue ends a wait with queue_timeout and leaves no place taken", async () => {
  const clock = createFakeClock();
  const queue = new FairQueue({ concurrency: 1, depth: 10, timeoutMs: 5000, clock });
  const lease = await queue.acquire("a");
  const late = queue.acquire("b");
  const failed = assert.rejects(late, rejectsWith("queue_timeout"));
  await clock.advance(5000);
  await failed;
  assert.equal(queue.waiting, 0);
  lease.release();
  assert.equal(queue.running, 0);
});

test("FairQueue.run() gives its place back when the job throws", async () => {
  const queue = new FairQueue({ concurrency: 1, depth: 0, timeoutMs: 1000 });
  await assert.rejects(
    queue.run("a", async () => {
      throw new Error("broken");
    }),
    /broken/,
  );
  assert.equal(await queue.run("a", async () => "fine"), "fine");
});
