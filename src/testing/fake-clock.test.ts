import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeClock } from "./fake-clock.ts";

test("FakeClock stands still until advance() moves both times", async () => {
  const clock = createFakeClock({ nowMs: 1_000 });
  assert.equal(clock.nowMs(), 1_000);
  assert.equal(clock.monotonicMs(), 0);
  await clock.advance(250);
  assert.equal(clock.nowMs(), 1_250);
  assert.equal(clock.monotonicMs(), 250);
});

test("FakeClock.advance() wakes sleepers in order of time, and those of one time in order of arrival", async () => {
  const clock = createFakeClock();
  const woken: string[] = [];
  const sleepers = [
    clock.sleep(300).then(() => woken.push(`late at ${clock.monotonicMs()}`)),
    clock.sleep(100).then(() => woken.push(`first at ${clock.monotonicMs()}`)),
    clock.sleep(100).then(() => woken.push(`second at ${clock.monotonicMs()}`)),
  ];
  await clock.advance(299);
  assert.deepEqual(woken, ["first at 100", "second at 100"]);
  assert.equal(clock.sleepers, 1);
  await clock.advance(1);
  await Promise.all(sleepers);
  assert.deepEqual(woken, ["first at 100", "second at 100", "late at 300"]);
  assert.equal(clock.sleepers, 0);
});

test("FakeClock.advance() wakes a loop as often as it comes due", async () => {
  const clock = createFakeClock();
  const times: number[] = [];
  const stop = new AbortController();
  const loop = (async () => {
    for (;;) {
      await clock.sleep(1_000, stop.signal);
      times.push(clock.monotonicMs());
    }
  })();
  await clock.advance(3_500);
  assert.deepEqual(times, [1_000, 2_000, 3_000]);
  stop.abort(new Error("stopped"));
  await assert.rejects(loop, { message: "stopped" });
  assert.equal(clock.sleepers, 0);
});

test("FakeClock.sleep() rejects with the reason of a signal that is aborted already, and sleeps not", async () => {
  const clock = createFakeClock();
  await assert.rejects(clock.sleep(10, AbortSignal.abort(new Error("before"))), { message: "before" });
  assert.equal(clock.sleepers, 0);
});

test("FakeClock.waitForSleepers() resolves once so many sleep", async () => {
  const clock = createFakeClock();
  let resolved = false;
  const wait = clock.waitForSleepers(2).then(() => (resolved = true));
  const first = clock.sleep(1);
  await Promise.resolve();
  assert.equal(resolved, false);
  const second = clock.sleep(1);
  await wait;
  await clock.advance(1);
  await Promise.all([first, second]);
});
