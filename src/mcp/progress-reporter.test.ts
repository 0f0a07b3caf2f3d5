import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createFakeClock } from "../testing/fake-clock.ts";
import { ProgressReporter, type ProgressMessage } from "./progress-reporter.ts";

function createReporter() {
  const clock = createFakeClock();
  const sent: ProgressMessage[] = [];
  const reporter = new ProgressReporter({ clock, send: async (message) => void sent.push(message) });
  return { clock, sent, reporter };
}

const texts = (sent: readonly ProgressMessage[]): string[] => sent.map(({ message }) => message);

// Proves: TOOL-4
describe("ProgressReporter", () => {
  test("sends at once, at every change of phase, and nothing after stop()", async () => {
    const { sent, reporter } = createReporter();
    reporter.start();
    reporter.report({ phase: "queued", ahead: 2, estimatedSeconds: 14 });
    reporter.report({ phase: "waking" });
    reporter.report({ phase: "retrying", attempt: 1, delayMs: 1500 });
    reporter.report({ phase: "generating", step: 3, totalSteps: 50 });
    reporter.report({ phase: "saving" });
    await reporter.stop();
    reporter.report({ phase: "waking" });
    await reporter.stop();
    assert.deepEqual(texts(sent), [
      "Accepted",
      "Waiting: 2 ahead, about 14 s",
      "Waking the model",
      "The model server is not ready: attempt 2 in 2 s",
      "Drawing: step 3 of 50",
      "Saving the picture",
    ]);
  });

  test("sends at least every 10 s in a quiet phase, with the elapsed time", async () => {
    const { clock, sent, reporter } = createReporter();
    reporter.start();
    reporter.report({ phase: "generating" });
    await clock.advance(30_000);
    assert.deepEqual(texts(sent), ["Accepted", "Drawing: 0 s", "Drawing: 8 s", "Drawing: 16 s", "Drawing: 24 s"]);
    await reporter.stop();
    assert.equal(clock.sleepers, 0);
  });

  test("keeps news of the same phase that comes too fast for the next message", async () => {
    const { clock, sent, reporter } = createReporter();
    reporter.start();
    for (let step = 1; step <= 100; step++) {
      reporter.report({ phase: "generating", step, totalSteps: 100 });
      await clock.advance(50);
    }
    await reporter.stop();
    assert.equal(sent.length, 21);
    assert.deepEqual(texts(sent).slice(0, 4), [
      "Accepted",
      "Drawing: step 1 of 100",
      "Drawing: step 6 of 100",
      "Drawing: step 11 of 100",
    ]);
  });

  test("gives strictly increasing numbers below 100, even when a job goes back a phase or waits for hours", async () => {
    const { clock, sent, reporter } = createReporter();
    reporter.start();
    reporter.report({ phase: "generating", step: 49, totalSteps: 50 });
    for (let attempt = 1; attempt <= 3; attempt++) {
      reporter.report({ phase: "retrying", attempt, delayMs: 1 });
      reporter.report({ phase: "generating", step: 1, totalSteps: 50 });
    }
    await clock.advance(2 * 3_600_000);
    await reporter.stop();
    assert.ok(sent.length > 900);
    for (const [index, { progress, total, message }] of sent.entries()) {
      assert.equal(total, 100);
      assert.ok(progress < 100 && progress > (sent[index - 1]?.progress ?? -1));
      assert.ok(message.length <= 200);
    }
  });

  test("goes on when a message cannot be sent", async () => {
    const clock = createFakeClock();
    let attempts = 0;
    const reporter = new ProgressReporter({
      clock,
      send: async () => {
        attempts++;
        throw new Error("the client is gone");
      },
    });
    reporter.start();
    reporter.report({ phase: "saving" });
    await reporter.stop();
    assert.equal(attempts, 2);
  });
});
