import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_MAX_WAIT, toMaxWait } from "./max-wait.ts";

test("toMaxWait() goes by whether the client hears of progress, and has no limit for Infinity", () => {
  assert.deepEqual(toMaxWait(DEFAULT_MAX_WAIT, false), { maxWaitMs: 40_000 });
  assert.deepEqual(toMaxWait(DEFAULT_MAX_WAIT, true), { maxWaitMs: 55_000 });
  assert.deepEqual(toMaxWait({ silentSeconds: Infinity, withProgressSeconds: 1 }, false), {});
});
