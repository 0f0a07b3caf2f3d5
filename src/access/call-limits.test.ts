import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MCPImageError } from "../core/errors.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { CallLimits, type Admission, type CallLimitsOptions } from "./call-limits.ts";
import { MemoryLimitStore } from "./memory-limit-store.ts";

let count = 0;

function createBench(options: Partial<CallLimitsOptions>) {
  const clock = createFakeClock();
  const limits = new CallLimits({ clock, ...options });
  const admissions: Admission[] = [];
  const ask = async (client: string): Promise<string> => {
    try {
      admissions.push(await limits.admit(client, `job-${count++}`));
      return "ok";
    } catch (error) {
      assert.ok(error instanceof MCPImageError);
      return `${error.code} ${String(error.details["retry_after_seconds"])}`;
    }
  };
  return { clock, limits, admissions, ask };
}

describe("CallLimits.admit()", () => {
  test("lets everything in without limits", async () => {
    const { ask } = createBench({});
    for (let i = 0; i < 200; i++) assert.equal(await ask("a"), "ok");
  });

  test("counts the jobs of each client in a minute, and says when to come again", async () => {
    const { ask, clock } = createBench({ perMinute: 2 });
    assert.deepEqual(
      [await ask("a"), await ask("a"), await ask("a"), await ask("b")],
      ["ok", "ok", "rate_limited 60", "ok"],
    );
    await clock.advance(45_500);
    assert.equal(await ask("a"), "rate_limited 15");
    await clock.advance(14_500);
    assert.equal(await ask("a"), "ok");
  });

  test("counts the jobs of a day", async () => {
    const { ask, clock } = createBench({ perDay: 1, perMinute: 5 });
    assert.deepEqual([await ask("a"), await ask("a")], ["ok", "daily_limit_reached 86400"]);
    await clock.advance(86_400_000);
    assert.equal(await ask("a"), "ok");
  });

  test("counts what runs at once, until it has ended", async () => {
    const { ask, admissions } = createBench({ atOnce: 2 });
    assert.deepEqual(
      [await ask("a"), await ask("a"), await ask("a"), await ask("b")],
      ["ok", "ok", "too_many_jobs 5", "ok"],
    );
    await admissions[0]?.release();
    assert.deepEqual([await ask("a"), await ask("a")], ["ok", "too_many_jobs 5"]);
  });

  test("does not count a job that was not begun, and keeps no place for one that was refused", async () => {
    const { ask, admissions } = createBench({ perMinute: 1, perDay: 1, atOnce: 1 });
    assert.equal(await ask("a"), "ok");
    await admissions[0]?.release({ wasBegun: false });
    assert.equal(await ask("a"), "ok");
    await admissions[1]?.release();
    assert.equal(await ask("a"), "rate_limited 60");
    assert.equal(await ask("a"), "rate_limited 60", "not too_many_jobs");
  });

  test("says in words what the limit is and when to call again", async () => {
    const { limits } = createBench({ perDay: 1 });
    await limits.admit("a", "1");
    await assert.rejects(limits.admit("a", "2"), {
      publicMessage: "You have asked for 1 pictures within a day, which is the limit. Call again in 24 hours",
    });
  });

  for (const [onFailure, expected] of [
    ["local", ["ok", "rate_limited 60"]],
    ["refuse", ["limits_unavailable 5", "limits_unavailable 5"]],
  ] as const) {
    test(`does what it is told while the shared store fails: ${onFailure}; and shares again after a pause`, async () => {
      const clock = createFakeClock();
      let isDown = true;
      class Flaky extends MemoryLimitStore {
        override async take(...input: Parameters<MemoryLimitStore["take"]>) {
          if (isDown) throw new Error("ECONNREFUSED");
          return super.take(...input);
        }
      }
      const { ask } = createBench({ perMinute: 1, onFailure, clock, store: new Flaky({ clock }) });
      assert.deepEqual([await ask("a"), await ask("a")], expected);
      isDown = false;
      await clock.advance(5_000);
      assert.equal(await ask("a"), "ok");
    });
  }
});
