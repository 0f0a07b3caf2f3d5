import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "./turns.ts";

test("Turns.take() runs what is for one id one after the other, also behind a failure, and other ids at once", async () => {
  const turns = new Turns();
  const steps: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take("a", async () => {
    steps.push("a1");
    await gate.promise;
    throw new Error("planned");
  });
  const second = turns.take("a", async () => {
    steps.push("a2");
    return 2;
  });
  assert.equal(await turns.take("b", async () => steps.push("b1")), 2);
  assert.deepEqual(steps, ["a1", "b1"]);
  gate.resolve();
  await assert.rejects(first, /planned/);
  assert.equal(await second, 2);
  assert.deepEqual(steps, ["a1", "b1", "a2"]);
});
