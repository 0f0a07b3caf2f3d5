import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, describe } from "node:test";
import { writeTinyModel, type TinyModelFamily } from "../testing/tiny-models.ts";
import { DiffusionPipeline, type Generation } from "./diffusion-pipeline.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { findRuntime } from "./package-files.ts";

/** What a request gets of each family that says nothing but its prompt, and its seed for being repeatable. */
const FAMILIES: readonly (readonly [TinyModelFamily, Generation["settings"], scheduler: string])[] = [
  ["sd15", settings(512, 50, 7.5), "PNDMScheduler"],
  ["sd-turbo", settings(512, 4, 1), "EulerDiscreteScheduler"],
  ["sdxl", settings(1024, 30, 5), "EulerDiscreteScheduler"],
  ["sdxl-turbo", settings(512, 4, 1), "EulerAncestralDiscreteScheduler"],
  ["lcm", settings(768, 4, 8.5), "LCMScheduler"],
];
const runtime = { kind: "wasm", url: findRuntime(), threads: 1, memoryMegabytes: undefined } as const;
const SMALL: GenerationRequest = { prompt: "a fox", seed: 1, width: 128, height: 64, numInferenceSteps: 2 };

for (const [family, expected, scheduler] of FAMILIES) {
  describe(`DiffusionPipeline with an export of ${family}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "engine-test-"));
    after(() => rm(folder, { recursive: true }));
    await writeTinyModel(folder, family);
    const pipeline = await DiffusionPipeline.load(folder, runtime);
    const draw = async (request: Partial<GenerationRequest> = {}): Promise<Generation> =>
      pipeline.generate({ ...SMALL, ...request }, () => undefined);

    test("DiffusionPipeline.generate() knows the size, steps and guidance of the family", async () => {
      // The full size once per family, but not all the steps.
      const { width: _, height: __, ...open } = SMALL;
      const drawn = await pipeline.generate({ ...open, numInferenceSteps: 1 }, () => undefined);
      assert.deepEqual(drawn.settings, { ...expected, numInferenceSteps: 1 });
      assert.equal(drawn.scheduler, scheduler);
      assert.deepEqual(drawn.native, { width: expected.width, height: expected.height });
      assert.equal(drawn.image.rgb.length, expected.width * expected.height * 3);
      const steps: number[] = [];
      const first = new Error("enough");
      const begun = pipeline.generate({ prompt: "a fox", seed: 1, width: 64, height: 64 }, (_step, total) => {
        steps.push(total);
        throw first;
      });
      await assert.rejects(begun, first);
      // PNDM asks twice at its second timestep.
      assert.deepEqual(steps, [expected.numInferenceSteps + (family === "sd15" ? 1 : 0)]);
    });

    test("DiffusionPipeline.generate() is moved by prompt, seed, size and guidance, and repeats itself", async () => {
      const base = pixels(await draw());
      assert.equal(pixels(await draw()), base);
      const changes: Partial<GenerationRequest>[] = [{ prompt: "a cat" }, { seed: 2 }, { guidanceScale: 3 }];
      for (const change of changes) assert.notEqual(pixels(await draw(change)), base, JSON.stringify(change));
    });

    test("DiffusionPipeline.generate() uses a negative prompt where there is guidance, and says where it has no effect", async () => {
      const plain = await draw({ guidanceScale: 4 });
      const negative = await draw({ guidanceScale: 4, negativePrompt: "blue" });
      const hasEffect = family !== "lcm";
      assert.equal(pixels(negative) !== pixels(plain), hasEffect);
      const warning = "negative_prompt has no effect on a model of this kind";
      assert.equal(negative.warnings.includes(warning), !hasEffect);
    });
  });
}

function settings(side: number, numInferenceSteps: number, guidanceScale: number): Generation["settings"] {
  return { width: side, height: side, numInferenceSteps, guidanceScale, seed: 1 };
}

function pixels({ image }: Generation): string {
  return Buffer.from(image.rgb).toString("base64");
}
