import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { ConfigurationError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { ConfigFile } from "../config-file.ts";
import type { Sample } from "../sample.ts";
import { TorchRandom } from "../torch-random.ts";
import { createScheduler } from "./create-scheduler.ts";
import type { Scheduler } from "./scheduler.ts";

/**
 * The numbers that the tests of huggingface/diffusers (commit 58eb52c080, tests/schedulers/) hold its schedulers to:
 * sum and mean of the absolute values after a full loop with a made-up model, with tolerances of 0.01 and 0.001.
 */
interface PublishedLoop {
  readonly source: string;
  readonly scheduler: string;
  readonly config: JsonObject;
  readonly steps: number;
  readonly sum?: number;
  readonly mean: number;
}

const LINEAR = { num_train_timesteps: 1000, beta_start: 0.0001, beta_end: 0.02, beta_schedule: "linear" };
const EULER = { ...LINEAR, num_train_timesteps: 1100 };
const DDIM = { ...LINEAR, clip_sample: true };
const DPM = { ...LINEAR, solver_order: 2, lower_order_final: false, final_sigmas_type: "sigma_min" };
const LCM = { num_train_timesteps: 1000, beta_start: 0.00085, beta_end: 0.012, beta_schedule: "scaled_linear" };
const V = { prediction_type: "v_prediction" };

const LOOPS: readonly PublishedLoop[] = [
  loop("euler.py:135", "EulerDiscreteScheduler", EULER, 10, 0.0131, 10.0807),
  loop("euler.py:144", "EulerDiscreteScheduler", { ...EULER, ...V }, 10, 2.2676e-6, 0.0002),
  loop("euler.py:198", "EulerDiscreteScheduler", { ...EULER, use_karras_sigmas: true }, 10, 0.16213933, 124.522995),
  loop("euler_ancestral.py:68", "EulerAncestralDiscreteScheduler", EULER, 10, 0.1983, 152.3192),
  loop("euler_ancestral.py:95", "EulerAncestralDiscreteScheduler", { ...EULER, ...V }, 10, 0.1412, 108.4439),
  loop("ddim.py:120", "DDIMScheduler", DDIM, 10, 0.223967, 172.0067),
  loop("ddim.py:129", "DDIMScheduler", { ...DDIM, ...V }, 10, 0.0684, 52.5302),
  loop("ddim.py:138", "DDIMScheduler", { ...DDIM, beta_start: 0.01, set_alpha_to_one: true }, 10, 0.1951, 149.8295),
  loop("ddim.py:147", "DDIMScheduler", { ...DDIM, beta_start: 0.01, set_alpha_to_one: false }, 10, 0.1941, 149.0784),
  loop("dpm_multi.py:250", "DPMSolverMultistepScheduler", DPM, 10, 0.3301),
  loop("dpm_multi.py:289", "DPMSolverMultistepScheduler", { ...DPM, ...V }, 10, 0.2251),
  loop("dpm_multi.py:295", "DPMSolverMultistepScheduler", { ...DPM, ...V, use_karras_sigmas: true }, 10, 0.2096),
  loop("lcm.py:233", "LCMScheduler", LCM, 1, 0.0244, 18.7097),
  loop("lcm.py:243", "LCMScheduler", LCM, 10, 0.2575, 197.7616),
  loop("pndm.py:217", "PNDMScheduler", LINEAR, 10, 0.258, 198.1318),
  loop("pndm.py:225", "PNDMScheduler", { ...LINEAR, ...V }, 10, 0.0878, 67.3986),
  loop("pndm.py:234", "PNDMScheduler", { ...LINEAR, beta_start: 0.01, set_alpha_to_one: true }, 10, 0.2995, 230.0399),
  loop("pndm.py:243", "PNDMScheduler", { ...LINEAR, beta_start: 0.01, set_alpha_to_one: false }, 10, 0.2434, 186.9482),
];

describe("schedulers meet the constants of diffusers", () => {
  for (const published of LOOPS) {
    test(`${published.scheduler} gives the loop of test_scheduler_${published.source}`, () => {
      const result = runLoop(start(published.scheduler, published.config, published.steps));
      const sum = result.reduce((total, value) => total + Math.abs(value), 0);
      if (published.sum !== undefined) assertNear(sum, published.sum, 0.01);
      assertNear(sum / result.length, published.mean, 0.001);
    });
  }
});

test("createScheduler() gives the timesteps of diffusers for every spacing", () => {
  const timesteps = (scheduler: string, config: JsonObject, steps: number): readonly number[] =>
    start(scheduler, { ...LINEAR, ...config }, steps).timesteps;
  assert.deepEqual(
    timesteps("DDIMScheduler", { timestep_spacing: "leading", steps_offset: 1 }, 5),
    [801, 601, 401, 201, 1],
  );
  assert.deepEqual(timesteps("DDIMScheduler", { timestep_spacing: "trailing" }, 5), [999, 799, 599, 399, 199]);
  assert.deepEqual(timesteps("DDIMScheduler", { timestep_spacing: "linspace" }, 5), [999, 749, 500, 250, 0]);
  assert.deepEqual(timesteps("DPMSolverMultistepScheduler", {}, 4), [999, 749, 500, 250]);
  assert.deepEqual(timesteps("LCMScheduler", {}, 4), [999, 759, 499, 259]);
  assert.deepEqual(timesteps("PNDMScheduler", { skip_prk_steps: true, steps_offset: 1 }, 4), [751, 501, 501, 251, 1]);
});

test("every scheduler runs 1 and 200 steps to finite numbers", () => {
  for (const scheduler of [
    "DDIMScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "PNDMScheduler",
  ]) {
    for (const steps of [1, 2, 200]) {
      const run = start(scheduler, { ...LINEAR, skip_prk_steps: true, timestep_spacing: "leading" }, steps);
      const calls = scheduler === "PNDMScheduler" && steps > 1 ? steps + 1 : steps;
      assert.equal(run.timesteps.length, calls, `${scheduler} ${steps}`);
      assert.ok(runLoop(run).every(Number.isFinite), `${scheduler} ${steps}`);
    }
  }
});

test("LCMScheduler has no more steps than it was distilled from", () => {
  assert.equal(start("LCMScheduler", LCM, 200).timesteps.length, 50);
});

test("createScheduler() refuses a scheduler or a setting that it does not have, by name", () => {
  const refused = (config: JsonObject, message: RegExp): void => {
    assert.throws(
      () => createScheduler(new ConfigFile("scheduler_config.json", config)),
      (error) => error instanceof ConfigurationError && message.test(error.message),
    );
  };
  refused({ _class_name: "FlowMatchEulerDiscreteScheduler" }, /"_class_name" must be DDIMScheduler or DPMSolver/);
  refused({ _class_name: "DDIMScheduler", beta_schedule: "sigmoid" }, /"beta_schedule" must be linear or/);
  refused({ _class_name: "DDIMScheduler", thresholding: true }, /"thresholding" must be absent or false, found true/);
});

function loop(
  source: string,
  scheduler: string,
  config: JsonObject,
  steps: number,
  mean: number,
  sum?: number,
): PublishedLoop {
  return { source, scheduler, config, steps, mean, ...(sum !== undefined && { sum }) };
}

function start(scheduler: string, config: JsonObject, steps: number): Scheduler {
  return createScheduler(new ConfigFile("scheduler_config.json", { _class_name: scheduler, ...config })).start(steps);
}

/** `full_loop` of the diffusers tests: `sample` is overwritten by its scaled form before the step, as there. */
function runLoop(scheduler: Scheduler): Sample {
  const random = new TorchRandom(0);
  let sample = deterministicSample().map((value) => value * scheduler.initialNoiseScale);
  for (const [index, timestep] of scheduler.timesteps.entries()) {
    sample = scheduler.scaleModelInput(sample, index);
    const modelOutput = sample.map((value) => (value * timestep) / (timestep + 1));
    sample = scheduler.step({ index, modelOutput, sample, normals: (count) => random.normals(count) });
  }
  return sample;
}

/** `dummy_sample_deter`: 0..767 as [3, 8, 8, 4] divided by 768, the last axis moved to the front. */
function deterministicSample(): Sample {
  return Float32Array.from({ length: 768 }, (_, i) => ((i % 192) * 4 + Math.floor(i / 192)) / 768);
}

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) < tolerance, `${actual} is not within ${tolerance} of ${expected}`);
}
