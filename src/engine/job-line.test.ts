import assert from "node:assert/strict";
import test from "node:test";
import { MCPImageError } from "../core/errors.ts";
import { JobLine } from "./job-line.ts";

const SIGNAL = new AbortController().signal;

test("JobLine.run() runs one job at a time, in order, and refuses more than may wait", async () => {
  const line = new JobLine(1);
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const events: string[] = [];
  const jobs = gates.map((gate, i) =>
    line.run(SIGNAL, async () => {
      events.push(`start ${i}`);
      await gate.promise;
      events.push(`end ${i}`);
      return i;
    }),
  );
  await assert.rejects(
    line.run(SIGNAL, async () => 0),
    hasCode("queue_full"),
  );
  gates[1]?.resolve();
  gates[0]?.resolve();
  assert.deepEqual(await Promise.all(jobs), [0, 1]);
  assert.deepEqual(events, ["start 0", "end 0", "start 1", "end 1"]);
  assert.equal(await line.run(SIGNAL, async () => 2), 2);
});

test("JobLine.run() goes on after a job that failed, and never starts one that was aborted while it waited", async () => {
  const line = new JobLine(2);
  const caller = new AbortController();
  const failed = line.run(SIGNAL, () => Promise.reject(new Error("broken")));
  const aborted = line.run(caller.signal, () => assert.fail("must not start"));
  caller.abort();
  await assert.rejects(failed, /broken/);
  await assert.rejects(aborted, hasCode("cancelled"));
  assert.equal(await line.run(SIGNAL, async () => 1), 1);
});

test("JobLine.run() frees the place of a waiting job at once when that is aborted", async () => {
  const line = new JobLine(1);
  const gate = Promise.withResolvers<void>();
  const caller = new AbortController();
  const running = line.run(SIGNAL, async () => gate.promise);
  const waiting = line.run(caller.signal, () => assert.fail("must not start"));
  assert.equal(line.length, 1);
  caller.abort();
  await assert.rejects(waiting, hasCode("cancelled"));
  const next = line.run(SIGNAL, async () => "next");
  assert.equal(line.length, 1);
  gate.resolve();
  await running;
  assert.equal(await next, "next");
});

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MCPImageError && error.code === code;
}
