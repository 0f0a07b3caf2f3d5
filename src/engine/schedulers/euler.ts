import type { ConfigFile } from "../config-file.ts";
import { valueAt, weightedSum } from "../sample.ts";
import { noiseLevelOfSigma } from "./noise-schedule.ts";
import { predictionTypeOf, toCleanSample } from "./prediction.ts";
import type { SchedulerFactory } from "./scheduler.ts";
import { createSigmaWalk } from "./sigma-walk.ts";

/** Euler's method without churn (Karras et al., arXiv 2206.00364, algorithm 2 with S_churn 0, first order). */
export function createEuler(config: ConfigFile): SchedulerFactory {
  const walkOf = createSigmaWalk(config);
  const predictionType = predictionTypeOf(config);

  return (steps) => {
    const walk = walkOf(steps);
    return {
      ...walk,
      step: ({ index, modelOutput, sample }) => {
        const sigma = valueAt(walk.sigmas, index);
        const next = valueAt(walk.sigmas, index + 1);
        const scaled = walk.scaleModelInput(sample, index);
        const clean = toCleanSample(predictionType, noiseLevelOfSigma(sigma), scaled, modelOutput);
        return weightedSum([next / sigma, sample], [1 - next / sigma, clean]);
      },
    };
  };
}
