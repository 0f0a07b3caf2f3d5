import { ValidationError } from "../../core/errors.ts";
import type { ConfigFile } from "../config-file.ts";
import { valueAt, weightedSum, type Sample } from "../sample.ts";
import { createNoiseSchedule, noiseLevelOfAlpha } from "./noise-schedule.ts";
import { toNoise } from "./prediction.ts";
import type { SchedulerFactory } from "./scheduler.ts";

/** Calls of the U-Net in one Runge-Kutta step, and how much each counts. */
const RUNGE_KUTTA_WEIGHTS = [1 / 6, 1 / 3, 1 / 3, 1 / 6] as const;
/** How many Runge-Kutta steps start a run before enough history is there. */
const WARM_UP_STEPS = 3;

/** Adams-Bashforth weights, newest output first, by the number of outputs known. */
const MULTISTEP_WEIGHTS = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
] as const;

/**
 * Pseudo linear multistep, the scheduler of Stable Diffusion 1.x (Liu et al., arXiv 2202.09778, equations 9, 12, 13).
 * NOTE: a run of N steps calls the U-Net N + 1 times (`skip_prk_steps`) or N + 9 times, as in diffusers.
 */
export function createPndm(config: ConfigFile): SchedulerFactory {
  config.oneOf("timestep_spacing", ["leading"], "leading");
  const { trainSteps, alphas } = createNoiseSchedule(config);
  const predictionType = config.oneOf("prediction_type", ["epsilon", "v_prediction"], "epsilon");
  const offset = config.number("steps_offset", 0);
  const skipRungeKutta = config.boolean("skip_prk_steps", false);
  const finalAlpha = config.boolean("set_alpha_to_one", false) ? 1 : valueAt(alphas, 0);
  const alphaAt = (timestep: number): number => (timestep >= 0 ? valueAt(alphas, timestep) : finalAlpha);

  /** Equation 9: the sample moved from one timestep to another along a mean noise. */
  const transfer = (sample: Sample, from: number, to: number, output: Sample): Sample => {
    const [alpha, target] = [alphaAt(from), alphaAt(to)];
    const noise = toNoise(predictionType, noiseLevelOfAlpha(alpha), sample, output);
    const denominator = alpha * Math.sqrt(1 - target) + Math.sqrt(alpha * (1 - alpha) * target);
    return weightedSum([Math.sqrt(target / alpha), sample], [(alpha - target) / denominator, noise]);
  };

  return (steps) => {
    if (!skipRungeKutta && steps <= WARM_UP_STEPS) {
      throw new ValidationError("invalid_argument", `num_inference_steps must be ${WARM_UP_STEPS + 1} or more`);
    }
    const stride = Math.floor(trainSteps / steps);
    const spread = Array.from({ length: steps }, (_, i) => (steps - 1 - i) * stride + offset);
    const warmUp = skipRungeKutta ? [] : rungeKuttaTimesteps(spread, stride);
    const timesteps = [...warmUp, ...(skipRungeKutta ? repeatSecond(spread) : spread.slice(WARM_UP_STEPS))];
    const history: Sample[] = []; // newest first
    let anchor: Sample | undefined;
    let sum: Sample | undefined;

    const rungeKutta = (index: number, sample: Sample, output: Sample): Sample => {
      const stage = index % RUNGE_KUTTA_WEIGHTS.length;
      if (stage === 0) {
        history.unshift(output);
        anchor = sample;
        sum = undefined;
      }
      const weighted = weightedSum([valueAt(RUNGE_KUTTA_WEIGHTS, stage), output]);
      sum = sum === undefined ? weighted : weightedSum([1, sum], [1, weighted]);
      const to = valueAt(timesteps, index) - (stage % 2 === 0 ? Math.floor(stride / 2) : 0);
      return transfer(anchor ?? sample, valueAt(timesteps, index - stage), to, stage === 3 ? sum : output);
    };

    const multistep = (index: number, sample: Sample, output: Sample): Sample => {
      const timestep = valueAt(timesteps, index);
      if (skipRungeKutta && index === 1) {
        // The first step once more, from where it began, with the mean of the outputs at both of its ends (Heun).
        const [first] = history;
        const mean = first === undefined ? output : weightedSum([0.5, first], [0.5, output]);
        return transfer(anchor ?? sample, timestep + stride, timestep, mean);
      }
      if (index === 0) anchor = sample;
      history.unshift(output);
      history.length = Math.min(history.length, MULTISTEP_WEIGHTS.length);
      const weights = MULTISTEP_WEIGHTS[history.length - 1] ?? MULTISTEP_WEIGHTS[3];
      const mean = weightedSum(...history.map((item, i) => [valueAt(weights, i), item] as const));
      return transfer(sample, timestep, timestep - stride, mean);
    };

    return {
      timesteps,
      initialNoiseScale: 1,
      scaleModelInput: (sample) => sample,
      step: ({ index, modelOutput, sample }) =>
        index < warmUp.length ? rungeKutta(index, sample, modelOutput) : multistep(index, sample, modelOutput),
    };
  };
}

/** Each of the first steps is looked at four times: at its start, twice half way, at its end. */
function rungeKuttaTimesteps(spread: readonly number[], stride: number): number[] {
  return spread.slice(0, WARM_UP_STEPS).flatMap((timestep, i) => {
    const half = valueAt(spread, i + 1) + Math.floor(stride / 2);
    return [timestep, half, half, valueAt(spread, i + 1)];
  });
}

function repeatSecond(spread: readonly number[]): number[] {
  return spread.length < 2 ? [...spread] : [valueAt(spread, 0), valueAt(spread, 1), ...spread.slice(1)];
}
