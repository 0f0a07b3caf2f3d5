import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createImageServiceBench } from "../testing/image-service-bench.ts";
import { parseImageOverrides } from "./generate-image-params.ts";
import { toStoredRequest, toVariations } from "./variations.ts";

const RECORD = {
  prompt: "a fox",
  negative_prompt: "text",
  width: 64,
  height: 128,
  num_inference_steps: 5,
  guidance_scale: 3.5,
  seed: 9,
};
const SETTINGS = {
  prompt: "a fox",
  negativePrompt: "text",
  width: 64,
  height: 128,
  numInferenceSteps: 5,
  guidanceScale: 3.5,
};

describe("toVariations()", () => {
  test("repeats the settings with new seeds", () => {
    assert.deepEqual(toVariations(RECORD, {}), [SETTINGS]);
    assert.deepEqual(toVariations(RECORD, { count: 2 }), [SETTINGS, SETTINGS]);
  });

  test("takes the seeds that are given, one picture each", () => {
    assert.deepEqual(toVariations(RECORD, { seeds: [1, 2] }), [
      { ...SETTINGS, seed: 1 },
      { ...SETTINGS, seed: 2 },
    ]);
  });

  test("tries other settings with the stored seed, and with new ones when there are to be several", () => {
    const overrides = { prompt: "a wolf", width: 256 };
    assert.deepEqual(toVariations(RECORD, { overrides }), [{ ...SETTINGS, ...overrides, seed: 9 }]);
    assert.deepEqual(toVariations(RECORD, { overrides, count: 2 }), [
      { ...SETTINGS, ...overrides },
      { ...SETTINGS, ...overrides },
    ]);
  });

  test("refuses a count out of range, seeds that do not match it, and a picture without settings", () => {
    for (const count of [0, 9, 1.5, Number.NaN]) {
      assert.throws(() => toVariations(RECORD, { count }), {
        code: "invalid_argument",
        publicMessage: /^count must be/,
      });
    }
    assert.throws(() => toVariations(RECORD, { count: 2, seeds: [1] }), { publicMessage: /^seeds must be 2 numbers/ });
    assert.throws(() => toVariations(RECORD, { seeds: [] }), { publicMessage: /^count must be/ });
    assert.throws(() => toVariations({ size: 1 }, {}), { publicMessage: /settings of this picture are not known/ });
  });
});

test("toStoredRequest() leaves open what the record does not know or has in another form", () => {
  assert.deepEqual(toStoredRequest({ prompt: "x", width: "64", seed: null }), { prompt: "x" });
  assert.equal(toStoredRequest({ prompt: 7 }), undefined);
});

describe("ImageService.vary()", () => {
  test("draws the stored picture again and keeps where it came from", async () => {
    const { images, generator } = createImageServiceBench();
    const { image_id: source } = await images.generate({ prompt: "a fox", seed: 9 }, { clientId: "a" });
    const outcomes = await images.vary(source, { seeds: [3, 4] }, { clientId: "a" });
    assert.ok(outcomes !== undefined);
    const responses = outcomes.map((outcome) => (outcome.ok ? outcome.response.metadata : undefined));
    assert.deepEqual(
      responses.map((metadata) => [metadata?.["prompt"], metadata?.["seed"], metadata?.["varied_from"]]),
      [
        ["a fox", 3, source],
        ["a fox", 4, source],
      ],
    );
    assert.deepEqual(
      generator.requests.map(({ seed }) => seed),
      [9, 3, 4],
    );
  });

  test("gives undefined for an unknown picture, and an outcome for each that the queue did not take", async () => {
    const { images, generator, clock } = createImageServiceBench({ depth: 1 });
    assert.equal(await images.vary("img_nothing", {}, { clientId: "a" }), undefined);
    const { image_id: source } = await images.generate({ prompt: "a fox" }, { clientId: "a" });
    generator.gate = new Promise(() => undefined);
    const varied = images.vary(source, { count: 3 }, { clientId: "a", maxWaitMs: 0 });
    await clock.advance(0);
    await clock.advance(0);
    assert.deepEqual(
      (await varied)?.map((outcome) => (outcome.ok ? outcome.response.metadata["phase"] : outcome.error.code)),
      ["generating", "queued", "queue_full"],
    );
  });
});

describe("parseImageOverrides()", () => {
  test("takes any of the settings, and none", () => {
    assert.deepEqual(parseImageOverrides({ prompt: "a wolf", num_inference_steps: 4 }), {
      prompt: "a wolf",
      numInferenceSteps: 4,
    });
    assert.deepEqual(parseImageOverrides(undefined), {});
  });

  test("refuses what is no setting, a seed among them, and values out of range", () => {
    const allowed = "prompt, negative_prompt, width, height, num_inference_steps, guidance_scale";
    assert.throws(() => parseImageOverrides({ seed: 1 }), {
      code: "invalid_argument",
      publicMessage: `Unknown argument "seed"; allowed are ${allowed}`,
    });
    assert.throws(() => parseImageOverrides({ width: 63 }), {
      publicMessage: "width must be an integer from 64 to 2048, got 63",
    });
  });
});
