import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { systemClock } from "./clock.ts";
import { systemRandom } from "./random.ts";

test("systemClock.nowMs() is the time of day, monotonicMs() never goes back", () => {
  assert.ok(Math.abs(systemClock.nowMs() - Date.now()) < 1_000);
  const before = systemClock.monotonicMs();
  assert.ok(systemClock.monotonicMs() >= before);
});

test("systemClock.sleep() resolves no sooner than its delay and leaves no listener behind", async () => {
  const { signal } = new AbortController();
  const started = systemClock.monotonicMs();
  await systemClock.sleep(5, signal);
  assert.ok(systemClock.monotonicMs() - started >= 4);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("systemClock.sleep() rejects with the reason of the signal, before or during the sleep", async () => {
  const reason = new Error("stopped");
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(reason)), reason);
  const controller = new AbortController();
  const sleep = systemClock.sleep(60_000, controller.signal);
  controller.abort(reason);
  await assert.rejects(sleep, reason);
});

test("systemClock.sleep() does not keep the process alive", () => {
  const script = `
    import { systemClock } from ${JSON.stringify(new URL("clock.ts", import.meta.url).href)};
    void systemClock.sleep(60_000);
  `;
  const { status } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], { timeout: 20_000 });
  assert.equal(status, 0);
});

test("systemRandom stays within its bounds and does not repeat itself", () => {
  assert.equal(systemRandom.bytes(10).length, 10);
  const numbers = new Set<number>();
  for (let i = 0; i < 1_000; i++) {
    const integer = systemRandom.uint32();
    const fraction = systemRandom.fraction();
    assert.ok(Number.isInteger(integer) && integer >= 0 && integer < 2 ** 32);
    assert.ok(fraction >= 0 && fraction < 1);
    numbers.add(fraction);
  }
  assert.equal(numbers.size, 1_000);
});
