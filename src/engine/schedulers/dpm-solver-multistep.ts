import type { ConfigFile } from "../config-file.ts";
import { valueAt, weightedSum, type Sample } from "../sample.ts";
import { createNoiseSchedule, noiseLevelOfSigma } from "./noise-schedule.ts";
import { predictionTypeOf, toCleanSample } from "./prediction.ts";
import type { SchedulerFactory } from "./scheduler.ts";
import { interpolate, karrasSigmas, timestepOfSigma } from "./sigmas.ts";
import { roundHalfToEven, spreadTimesteps, TIMESTEP_SPACINGS } from "./timesteps.ts";

/** Below this many steps the last one is of first order, for stability (`lower_order_final`). */
const FEW_STEPS = 15;

/** DPM-Solver++ of order 1 or 2, midpoint (Lu et al., arXiv 2211.01095, algorithm 2). */
export function createDpmSolverMultistep(config: ConfigFile): SchedulerFactory {
  config.refuse("thresholding", "use_lu_lambdas", "use_exponential_sigmas", "use_beta_sigmas", "use_flow_sigmas");
  config.refuse("variance_type");
  config.oneOf("algorithm_type", ["dpmsolver++"], "dpmsolver++");
  config.oneOf("solver_type", ["midpoint"], "midpoint");
  const { trainSteps, alphas, sigmas: trained } = createNoiseSchedule(config, { finiteSigmas: true });
  const predictionType = predictionTypeOf(config);
  const spacing = config.oneOf("timestep_spacing", TIMESTEP_SPACINGS, "linspace");
  const offset = config.number("steps_offset", 0);
  const karras = config.boolean("use_karras_sigmas", false);
  const firstOrderOnly = config.number("solver_order", 2) === 1;
  const lowerOrderFinal = config.boolean("lower_order_final", true);
  const eulerAtFinal = config.boolean("euler_at_final", false);
  const endsAtZero = config.oneOf("final_sigmas_type", ["zero", "sigma_min"], "zero") === "zero";
  // Very noisy steps beyond this half log-SNR are left out: the cosine schedule has some that are all noise.
  const lambdaMin = config.has("lambda_min_clipped") ? lambdaMinOf(config) : -Infinity;
  const lastStep = alphas.filter((alpha) => halfLogSnrOfAlpha(alpha) >= lambdaMin).length;

  return (steps) => {
    const skipLast = spacing !== "trailing";
    const spread = spreadTimesteps({ trainSteps: lastStep, steps, spacing, offset, skipLast }).map(roundHalfToEven);
    const chosen = karras
      ? karrasSigmas(valueAt(trained, trainSteps - 1), valueAt(trained, 0), steps)
      : spread.map((timestep) => interpolate(trained, timestep));
    const timesteps = karras ? chosen.map((sigma) => roundHalfToEven(timestepOfSigma(sigma, trained))) : spread;
    const sigmas = Float32Array.from([...chosen, endsAtZero ? 0 : valueAt(trained, 0)]);
    let previousClean: Sample | undefined;
    return {
      timesteps,
      initialNoiseScale: 1,
      scaleModelInput: (sample) => sample,
      step: ({ index, modelOutput, sample }) => {
        const level = noiseLevelOfSigma(valueAt(sigmas, index));
        const next = noiseLevelOfSigma(valueAt(sigmas, index + 1));
        const clean = toCleanSample(predictionType, level, sample, modelOutput);
        const lambda = halfLogSnr(valueAt(sigmas, index));
        const h = halfLogSnr(valueAt(sigmas, index + 1)) - lambda;
        const weight = -next.signal * Math.expm1(-h);
        const isLast = index === timesteps.length - 1;
        const dropOrder = isLast && (endsAtZero || eulerAtFinal || (lowerOrderFinal && timesteps.length < FEW_STEPS));
        const earlier = previousClean;
        previousClean = clean;
        if (earlier === undefined || firstOrderOnly || dropOrder) {
          return weightedSum([next.noise / level.noise, sample], [weight, clean]);
        }
        const ratio = (lambda - halfLogSnr(valueAt(sigmas, index - 1))) / h;
        return weightedSum(
          [next.noise / level.noise, sample],
          [weight * (1 + 0.5 / ratio), clean],
          [(-weight * 0.5) / ratio, earlier],
        );
      },
    };
  };
}

/** diffusers writes minus infinity as the text "-Infinity" or "-inf". */
function lambdaMinOf(config: ConfigFile): number {
  try {
    return config.number("lambda_min_clipped");
  } catch (error) {
    if (/^-inf/i.test(config.text("lambda_min_clipped"))) return -Infinity;
    throw error;
  }
}

function halfLogSnrOfAlpha(alpha: number): number {
  return Math.log(Math.sqrt(alpha)) - Math.log(Math.sqrt(1 - alpha));
}

/** lambda of the paper; infinite for a clean sample. */
function halfLogSnr(sigma: number): number {
  return sigma === 0 ? Infinity : -Math.log(sigma);
}
