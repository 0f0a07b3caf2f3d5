import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createKServeBench } from "../testing/kserve-bench.ts";
import { applyModelProfile, chooseModelProfile, GENERATION_DEFAULTS, MODEL_PROFILES } from "./model-profiles.ts";

suite("chooseModelProfile()", () => {
  const byName: [string, object][] = [
    ["stable-diffusion", GENERATION_DEFAULTS],
    ["model", GENERATION_DEFAULTS],
    ["stable-diffusion-v1-5", GENERATION_DEFAULTS],
    ["stable-diffusion-2-1", GENERATION_DEFAULTS],
    ["redhat-dog-sd3", MODEL_PROFILES.sd3],
    ["stable-diffusion-3.5-large", MODEL_PROFILES.sd3],
    ["stable-diffusion-xl-base-1.0", MODEL_PROFILES.sdxl],
    ["my-SDXL", MODEL_PROFILES.sdxl],
    ["FLUX.1-dev", MODEL_PROFILES.flux],
    ["sd-turbo", MODEL_PROFILES.turbo],
    ["sdxl-turbo", MODEL_PROFILES.turbo],
    ["lcm-dreamshaper-v7", MODEL_PROFILES.lcm],
    ["flux.1-schnell", { width: 1024, height: 1024, numInferenceSteps: 4, guidanceScale: 1 }],
    ["sdxl-lightning", { width: 1024, height: 1024, numInferenceSteps: 4, guidanceScale: 1 }],
    ["stable-diffusion-3.5-large-turbo", { width: 1024, height: 1024, numInferenceSteps: 4, guidanceScale: 1 }],
  ];
  for (const [modelName, profile] of byName) {
    test(`knows what suits ${modelName}`, () => assert.deepEqual(chooseModelProfile("auto", modelName), profile));
  }

  test("obeys the operator rather than the name", () => {
    assert.equal(chooseModelProfile("none", "sdxl"), GENERATION_DEFAULTS);
    assert.equal(chooseModelProfile("flux", "stable-diffusion"), MODEL_PROFILES.flux);
  });
});

test("applyModelProfile() leaves what the caller gave", () => {
  const given = { prompt: "x", width: 64, height: 128, numInferenceSteps: 1, guidanceScale: 2, seed: 3 };
  assert.deepEqual(applyModelProfile(given, MODEL_PROFILES.flux), given);
});

test("KServeClient sends what suits the model that it found served, and only then", async () => {
  const request = { prompt: "a red fox", width: 64 };
  for (const [modelProfile, expected] of [
    ["auto", { height: 1024, num_inference_steps: 30, guidance_scale: 5 }],
    ["none", { height: 512, num_inference_steps: 50, guidance_scale: 7.5 }],
    ["runtime", {}],
    [{ guidanceScale: 4 }, { guidance_scale: 4 }],
    [undefined, {}],
  ] as const) {
    await using bench = await createKServeBench({ modelProfile }, { modelNames: ["my-sdxl"] });
    await bench.client.generateImage(request);
    assert.deepEqual(bench.runtime.instances, [{ prompt: "a red fox", width: 64, ...expected, seed: 7 }]);
  }
});
