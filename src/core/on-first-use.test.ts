import assert from "node:assert/strict";
import { test } from "node:test";
import { OnFirstUse } from "./on-first-use.ts";

test("OnFirstUse.load() loads once for callers at the same time and later", async () => {
  let loads = 0;
  const thing = new OnFirstUse(async () => ++loads);
  assert.equal(thing.value, undefined);
  assert.deepEqual(await Promise.all([thing.load(), thing.load()]), [1, 1]);
  assert.equal(await thing.load(), 1);
  assert.equal(thing.value, 1);
});

test("OnFirstUse.load() tries again after a failure", async () => {
  const answers = [Promise.reject(new Error("not yet")), Promise.resolve("there")];
  const thing = new OnFirstUse(async () => answers.shift() ?? "more");
  await assert.rejects(thing.load(), { message: "not yet" });
  assert.equal(thing.value, undefined);
  assert.equal(await thing.load(), "there");
});

test("OnFirstUse.settle() loads nothing, waits for what is loading, and hides its failure", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const thing = new OnFirstUse(async () => promise);
  assert.equal(await thing.settle(), undefined);
  assert.equal(thing.isWanted, false);
  void thing.load();
  assert.equal(thing.isWanted, true);
  const settled = thing.settle();
  resolve("there");
  assert.equal(await settled, "there");
  const broken = new OnFirstUse(async () => Promise.reject(new Error("never")));
  const load = broken.load();
  assert.equal(await broken.settle(), undefined);
  await assert.rejects(load, { message: "never" });
});
