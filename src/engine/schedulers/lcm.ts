import type { ConfigFile } from "../config-file.ts";
import { clamp, valueAt, weightedSum } from "../sample.ts";
import { createNoiseSchedule, noiseLevelOfAlpha } from "./noise-schedule.ts";
import { predictionTypeOf, toCleanSample } from "./prediction.ts";
import type { SchedulerFactory } from "./scheduler.ts";

/** The spread of the data that consistency models assume (`sigma_data`). */
const DATA_SPREAD = 0.5;

/**
 * Latent consistency models (Luo et al., arXiv 2310.04378, algorithm 3).
 * A run has at most `original_inference_steps` steps (50 when the model does not say): there are no more to choose from.
 */
export function createLcm(config: ConfigFile): SchedulerFactory {
  config.refuse("thresholding");
  const { trainSteps, alphas } = createNoiseSchedule(config, {
    defaults: { betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" },
  });
  const predictionType = predictionTypeOf(config);
  const originalSteps = config.number("original_inference_steps", 50);
  const timestepScaling = config.number("timestep_scaling", 10);
  const clipRange = config.boolean("clip_sample", false) ? config.number("clip_sample_range", 1) : Infinity;

  return (requestedSteps) => {
    const steps = Math.min(requestedSteps, originalSteps);
    const stride = Math.floor(trainSteps / originalSteps);
    const timesteps = Array.from({ length: steps }, (_, i) => {
      return (originalSteps - Math.floor((originalSteps * i) / steps)) * stride - 1;
    });
    return {
      timesteps,
      initialNoiseScale: 1,
      scaleModelInput: (sample) => sample,
      step: ({ index, modelOutput, sample, normals }) => {
        const timestep = valueAt(timesteps, index);
        const level = noiseLevelOfAlpha(valueAt(alphas, timestep));
        const clean = clamp(toCleanSample(predictionType, level, sample, modelOutput), clipRange);
        const scaled = timestep * timestepScaling;
        const spread = scaled ** 2 + DATA_SPREAD ** 2;
        const denoised = weightedSum([scaled / Math.sqrt(spread), clean], [DATA_SPREAD ** 2 / spread, sample]);
        if (index === steps - 1) return denoised;
        const next = noiseLevelOfAlpha(valueAt(alphas, valueAt(timesteps, index + 1)));
        return weightedSum([next.signal, denoised], [next.noise, normals(sample.length)]);
      },
    };
  };
}
