import assert from "node:assert/strict";
import test from "node:test";
import { MCPImageError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { parseV1Request } from "./v1-request.ts";

const RANDOM: Random = { bytes: (count) => new Uint8Array(count), uint32: () => 4711, fraction: () => 0 };

test("parseV1Request() reads every key of an instance", () => {
  const instance = {
    prompt: "a house",
    negative_prompt: "trees",
    width: 64,
    height: 2048,
    num_inference_steps: 200,
    guidance_scale: 7.5,
    seed: 2 ** 32 - 1,
  };
  assert.deepEqual(parseV1Request({ instances: [instance] }, RANDOM), [
    {
      prompt: "a house",
      negativePrompt: "trees",
      width: 64,
      height: 2048,
      numInferenceSteps: 200,
      guidanceScale: 7.5,
      seed: 2 ** 32 - 1,
    },
  ]);
});

test("parseV1Request() takes null for absent and draws a seed for none and for -1", () => {
  const absent = { prompt: "", negative_prompt: "", width: null, height: null, num_inference_steps: null };
  for (const seed of [null, -1]) {
    const body = { instances: [{ ...absent, guidance_scale: null, seed }], parameters: null };
    assert.deepEqual(parseV1Request(body, RANDOM), [{ prompt: "", seed: 4711 }]);
  }
});

test("parseV1Request() names the field, what was found and what is allowed", () => {
  const refused = (body: unknown, message: string): void => {
    assert.throws(
      () => parseV1Request(body, RANDOM),
      (error) => {
        assert.ok(error instanceof MCPImageError);
        assert.deepEqual([error.code, error.publicMessage], ["invalid_argument", message]);
        return true;
      },
    );
  };
  const instance = (fields: object): object => ({ instances: [{ prompt: "a", ...fields }] });
  refused(null, "instances is missing; allowed: a list of objects");
  refused({ instances: [] }, "instances has 0 entries; allowed: 1 to 16 objects");
  refused({ instances: ["a"] }, 'instances[0] is "a"; allowed: an object');
  refused({ instances: [{ prompt: "a" }, {}] }, "instances[1].prompt is missing; allowed: a text");
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
    "steps is not a known key; allowed: prompt, negative_prompt, width, height, num_inference_steps, guidance_scale, seed, num_images_per_prompt",
  );
});

test("parseV1Request() gives every instance its pictures, each with the seed after that of the one before", () => {
  const instances = [
    { prompt: "a", num_images_per_prompt: 2, seed: 2 ** 32 - 1 },
    { prompt: "b", seed: 7 },
  ];
  assert.deepEqual(parseV1Request({ instances }, RANDOM), [
    { prompt: "a", seed: 2 ** 32 - 1 },
    { prompt: "a", seed: 0 },
    { prompt: "b", seed: 7 },
  ]);
  const many = { instances: [{ prompt: "a", num_images_per_prompt: 16 }, { prompt: "b" }] };
  assert.throws(() => parseV1Request(many, RANDOM), /the number of pictures is 17; allowed: at most 16/);
});
