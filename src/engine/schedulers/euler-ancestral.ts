import type { ConfigFile } from "../config-file.ts";
import { valueAt, weightedSum } from "../sample.ts";
import { noiseLevelOfSigma } from "./noise-schedule.ts";
import { predictionTypeOf, toCleanSample } from "./prediction.ts";
import type { SchedulerFactory } from "./scheduler.ts";
import { createSigmaWalk } from "./sigma-walk.ts";

/** Euler's method that steps a little too far down and adds fresh noise ("Euler a" of k-diffusion). */
export function createEulerAncestral(config: ConfigFile): SchedulerFactory {
  const walkOf = createSigmaWalk(config);
  const predictionType = predictionTypeOf(config);

  return (steps) => {
    const walk = walkOf(steps);
    return {
      ...walk,
      step: ({ index, modelOutput, sample, normals }) => {
        const sigma = valueAt(walk.sigmas, index);
        const next = valueAt(walk.sigmas, index + 1);
        const up = Math.sqrt((next ** 2 * (sigma ** 2 - next ** 2)) / sigma ** 2);
        const down = Math.sqrt(next ** 2 - up ** 2);
        const scaled = walk.scaleModelInput(sample, index);
        const clean = toCleanSample(predictionType, noiseLevelOfSigma(sigma), scaled, modelOutput);
        return weightedSum([down / sigma, sample], [1 - down / sigma, clean], [up, normals(sample.length)]);
      },
    };
  };
}
