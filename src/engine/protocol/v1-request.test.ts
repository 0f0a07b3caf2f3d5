import assert from "node:assert/strict";
import test from "node:test";
import { MCPImageError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { parseGenerationRequest } from "./generation-request.ts";
import { JobLine } from "./job-line.ts";

const RANDOM: Random = { bytes: (count) => new Uint8Array(count), uint32: () => 4711, fraction: () => 0 };
const SIGNAL = new AbortController().signal;

test("parseGenerationRequest() reads every key of an instance", () => {
  const instance = {
    prompt: "a house",
    negative_prompt: "trees",
    width: 64,
    height: 2048,
    num_inference_steps: 200,
    guidance_scale: 7.5,
    seed: 2 ** 32 - 1,
  };
  assert.deepEqual(parseGenerationRequest({ instances: [instance] }, RANDOM), {
    prompt: "a house",
    negativePrompt: "trees",
    width: 64,
    height: 2048,
    numInferenceSteps: 200,
    guidanceScale: 7.5,
    seed: 2 ** 32 - 1,
  });
});

test("parseGenerationRequest() takes null for absent and draws a seed for none and for -1", () => {
  const absent = { prompt: "", negative_prompt: "", width: null, height: null, num_inference_steps: null };
  for (const seed of [null, -1]) {
    const body = { instances: [{ ...absent, guidance_scale: null, seed }], parameters: null };
    assert.deepEqual(parseGenerationRequest(body, RANDOM), { prompt: "", seed: 4711 });
  }
});

test("parseGenerationRequest() names the field, what was found and what is allowed", () => {
  const refused = (body: unknown, message: string): void => {
    assert.throws(
      () => parseGenerationRequest(body, RANDOM),
      (error) => {
        assert.ok(error instanceof MCPImageError);
        assert.deepEqual([error.code, error.publicMessage], ["invalid_argument", message]);
        return true;
      },
    );
  };
  const instance = (fields: object): object => ({ instances: [{ prompt: "a", ...fields }] });
  refused(null, "instances is missing; allowed: a list with one object");
  refused({ instances: [] }, "instances[0] is missing; allowed: an object");
  refused({ instances: ["a"] }, 'instances[0] is "a"; allowed: an object');
  refused({ instances: [{}, {}] }, "instances has 2 entries; allowed: a list with one object");
  refused({ instances: [{}] }, "prompt is missing; allowed: a text");
  refused(instance({ prompt: 1 }), "prompt is 1; allowed: a text");
  refused(instance({ prompt: "a".repeat(10_001) }), "prompt has 10001 characters; allowed: at most 10000 characters");
  refused(instance({ width: 63 }), "width is 63; allowed: an integer from 64 to 2048");
  refused(instance({ height: "64" }), 'height is "64"; allowed: an integer from 64 to 2048');
  refused(instance({ num_inference_steps: 2.5 }), "num_inference_steps is 2.5; allowed: an integer from 1 to 200");
  refused(instance({ guidance_scale: 20.1 }), "guidance_scale is 20.1; allowed: a number from 0 to 20");
  refused(instance({ seed: 2 ** 32 }), "seed is 4294967296; allowed: an integer from -1 to 4294967295");
  refused(
    instance({ steps: 3 }),
    "steps is not a known key; allowed: prompt, negative_prompt, width, height, num_inference_steps, guidance_scale, seed",
  );
});

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

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MCPImageError && error.code === code;
}
