import type { ConfigFile } from "../config-file.ts";
import { clamp, valueAt, weightedSum } from "../sample.ts";
import { createNoiseSchedule, noiseLevelOfAlpha } from "./noise-schedule.ts";
import { predictionTypeOf, toCleanSample, toNoise } from "./prediction.ts";
import type { SchedulerFactory } from "./scheduler.ts";
import { roundHalfToEven, spreadTimesteps, TIMESTEP_SPACINGS } from "./timesteps.ts";

/** DDIM without added noise (Song et al., arXiv 2010.02502, equation 12 with sigma 0). */
export function createDdim(config: ConfigFile): SchedulerFactory {
  config.refuse("thresholding");
  const { trainSteps, alphas } = createNoiseSchedule(config);
  const predictionType = predictionTypeOf(config);
  const spacing = config.oneOf("timestep_spacing", TIMESTEP_SPACINGS, "leading");
  const offset = config.number("steps_offset", 0);
  const clipRange = config.boolean("clip_sample", true) ? config.number("clip_sample_range", 1) : Infinity;
  const finalAlpha = config.boolean("set_alpha_to_one", true) ? 1 : valueAt(alphas, 0);

  return (steps) => {
    const timesteps = spreadTimesteps({ trainSteps, steps, spacing, offset }).map(roundHalfToEven);
    const stride = Math.floor(trainSteps / steps);
    return {
      timesteps,
      initialNoiseScale: 1,
      scaleModelInput: (sample) => sample,
      step: ({ index, modelOutput, sample }) => {
        const timestep = valueAt(timesteps, index);
        const level = noiseLevelOfAlpha(valueAt(alphas, timestep));
        const previous = timestep - stride;
        const next = noiseLevelOfAlpha(previous >= 0 ? valueAt(alphas, previous) : finalAlpha);
        const clean = clamp(toCleanSample(predictionType, level, sample, modelOutput), clipRange);
        const noise = toNoise(predictionType, level, sample, modelOutput);
        return weightedSum([next.signal, clean], [next.noise, noise]);
      },
    };
  };
}
