import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KServeError } from "../core/errors.ts";
import type { ImageProgress } from "../images/image-job.ts";
import type { PendingImage, WaitOptions } from "../images/image-jobs.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { TaskNews } from "./task-news.ts";

const RUNNING: PendingImage = {
  status: "running",
  response: { url: "", image_id: "a", metadata: {} },
  owner: undefined,
};

/** News of one task, whose job the test moves on. */
async function follow() {
  const clock = createFakeClock();
  const ended = Promise.withResolvers<PendingImage | undefined>();
  const sent: object[] = [];
  let report: WaitOptions["onProgress"];
  const news = new TaskNews({
    taskIds: ["a", "unknown"],
    find: async (taskId) => (taskId === "a" ? RUNNING : undefined),
    follow: async (_taskId, { onProgress }) => {
      report = onProgress;
      return ended.promise;
    },
    toTask: async (taskId, { status }) => ({ taskId, status }),
    toWorkingTask: (taskId, message) => ({ taskId, message }),
    clock,
  });
  const subscription = new AbortController();
  const agreed = await news.agree(subscription.signal);
  const telling = news.tell((item) => void sent.push(item.params), subscription.signal);
  await settle();
  const progress = (phase: "waking" | "saving"): void => report?.({ phase } satisfies ImageProgress);
  return { clock, ended, sent, subscription, agreed, telling, progress };
}

describe("TaskNews", () => {
  test("agrees to what is known alone, and tells at once how that is", async () => {
    const { agreed, sent, subscription, telling, ended } = await follow();
    assert.deepEqual(agreed, { taskIds: ["a"] });
    assert.deepEqual(sent, [{ taskId: "a", status: "running" }]);
    subscription.abort();
    ended.resolve(undefined);
    await telling;
  });

  test("tells no more than once in a second how a task goes on, and never the same again", async () => {
    const { clock, sent, progress, ended, telling } = await follow();
    sent.length = 0;
    for (let times = 0; times < 5; times++) progress("waking");
    progress("saving");
    await settle();
    assert.deepEqual(sent, [], "not at once");
    await clock.advance(1000);
    await settle();
    assert.deepEqual(sent, [{ taskId: "a", message: "Saving the picture" }]);
    progress("saving");
    await clock.advance(1000);
    await settle();
    assert.equal(sent.length, 1);
    progress("waking");
    const error = new KServeError("upstream_error", "It was to fail");
    ended.resolve({ status: "failed", error, endedAtMs: 0, owner: undefined });
    await telling;
    await clock.advance(5000);
    await settle();
    assert.deepEqual(sent.slice(1), [{ taskId: "a", status: "failed" }], "nothing after the end");
  });

  test("tells nothing after the subscription has ended", async () => {
    const { clock, sent, progress, subscription, ended, telling } = await follow();
    progress("waking");
    subscription.abort();
    ended.resolve(undefined);
    await telling;
    await clock.advance(5000);
    await settle();
    assert.equal(sent.length, 1);
  });
});

async function settle(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);
}
