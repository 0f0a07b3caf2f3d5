import assert from "node:assert/strict";
import { test } from "node:test";
import { MCPImageError } from "../core/errors.ts";
import { FairQueue, type QueuePosition } from "./fair-queue.ts";
import { createFakeClock } from "../testing/fake-clock.ts";

const rejectsWith = (code: string) => (error: unknown) => error instanceof MCPImageError && error.code === code;

async function run(queue: FairQueue, clientId: string, job: () => Promise<void>): Promise<void> {
  const lease = await queue.acquire(clientId);
  await job();
  lease.release();
}

test("FairQueue runs no more jobs at once than its concurrency", async () => {
  const queue = new FairQueue({ concurrency: 2, depth: 10, timeoutMs: 1000 });
  let running = 0;
  let most = 0;
  const job = async () => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
  };
  await Promise.all(Array.from({ length: 8 }, async () => run(queue, "a", job)));
  assert.equal(most, 2);
  assert.equal(queue.running, 0);
  assert.equal(queue.waiting, 0);
});

test("FairQueue takes turns between clients, first in first out within one", async () => {
  const queue = new FairQueue({ concurrency: 1, depth: 10, timeoutMs: 1000 });
  const first = await queue.acquire("greedy");
  const order: string[] = [];
  const add = async (client: string, name: string) => run(queue, client, async () => void order.push(name));
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

test("FairQueue when full lets a client with few jobs take the place of the newest of the client with most", async () => {
  const queue = new FairQueue({ concurrency: 1, depth: 3, timeoutMs: 1000 });
  const lease = await queue.acquire("greedy");
  const order: string[] = [];
  const add = async (client: string, name: string) => run(queue, client, async () => void order.push(name));
  const kept = [add("greedy", "g1"), add("greedy", "g2")];
  const displaced = add("greedy", "g3");
  kept.push(add("polite", "p1"));
  await assert.rejects(displaced, rejectsWith("queue_full"));
  await assert.rejects(add("polite", "p2"), rejectsWith("queue_full"));
  await assert.rejects(add("greedy", "g4"), rejectsWith("queue_full"));
  assert.equal(queue.waiting, 3);
  lease.release();
  await Promise.all(kept);
  assert.deepEqual(order, ["g1", "p1", "g2"]);
  assert.equal(queue.running, 0);
});

test("FairQueue keeps the duration of a job that failed out of its estimates", async () => {
  const clock = createFakeClock();
  const queue = new FairQueue({ concurrency: 1, depth: 10, timeoutMs: 60_000, clock });
  const good = await queue.acquire("a");
  assert.equal(good.estimateRestMs(), undefined);
  await clock.advance(4000);
  good.release();
  (await queue.acquire("a")).release({ isSample: false });
  const next = await queue.acquire("a");
  assert.equal(next.estimateRestMs(), 4000);
  await clock.advance(1000);
  assert.equal(next.estimateRestMs(), 3000);
  await clock.advance(5000);
  assert.equal(next.estimateRestMs(), 4000);
});

test("A lease of FairQueue tells how many were ahead, and gives its place back once", async () => {
  const queue = new FairQueue({ concurrency: 1, depth: 2, timeoutMs: 1000 });
  const first = await queue.acquire("a");
  const [second, third] = [queue.acquire("a"), queue.acquire("a")];
  first.release();
  first.release();
  assert.equal(queue.running, 1);
  const leases = [await second];
  leases[0]?.release();
  leases.push(await third);
  leases[1]?.release();
  assert.deepEqual([first.ahead, ...leases.map(({ ahead }) => ahead)], [0, 1, 2]);
});

test("FairQueue gives the place back when the turn and the abort come together", async () => {
  const queue = new FairQueue({ concurrency: 1, depth: 2, timeoutMs: 1000 });
  const lease = await queue.acquire("a");
  const controller = new AbortController();
  const both = queue.acquire("b", { signal: controller.signal });
  lease.release();
  controller.abort();
  await assert.rejects(both, rejectsWith("cancelled"));
  assert.equal(queue.running, 0);
});
