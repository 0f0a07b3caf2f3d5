import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createFakeClock } from "../testing/fake-clock.ts";
import { PhaseTimer } from "./phase-timer.ts";

test("PhaseTimer.stop() silences a phase that has just elapsed", async () => {
  const sleep = Promise.withResolvers<void>();
  const timer = new PhaseTimer({ ...createFakeClock(), sleep: async () => sleep.promise });
  let count = 0;
  timer.start(1000, () => (count += 1));
  sleep.resolve();
  timer.stop();
  await nextTurn();
  assert.equal(count, 0);
});

test("PhaseTimer.startIdle() elapses only when nothing was active for the limit", async () => {
  const clock = createFakeClock();
  const timer = new PhaseTimer(clock);
  let lastActiveAtMs = 0;
  const elapsedAtMs: number[] = [];
  timer.startIdle(
    1000,
    () => lastActiveAtMs,
    () => elapsedAtMs.push(clock.monotonicMs()),
  );
  await clock.advance(900);
  lastActiveAtMs = 900;
  await clock.advance(5000);
  assert.deepEqual(elapsedAtMs, [1900]);
});
