import type { ConfigFile } from "../config-file.ts";
import { valueAt, weightedSum, type Sample } from "../sample.ts";
import { createNoiseSchedule, noiseLevelOfSigma } from "./noise-schedule.ts";
import { interpolate, karrasSigmas, timestepOfSigma } from "./sigmas.ts";
import { spreadTimesteps, TIMESTEP_SPACINGS } from "./timesteps.ts";

/** The sigmas of one run (one more than there are timesteps), and what Euler's schedulers do with them. */
export interface SigmaWalk {
  readonly timesteps: readonly number[];
  readonly sigmas: Float32Array;
  readonly initialNoiseScale: number;
  scaleModelInput(sample: Sample, index: number): Sample;
}

/** The part that Euler and Euler ancestral share: where to step, and how the U-Net sees a sample at a sigma. */
export function createSigmaWalk(config: ConfigFile): (steps: number) => SigmaWalk {
  config.refuse("use_exponential_sigmas", "use_beta_sigmas", "use_flow_sigmas");
  config.oneOf("interpolation_type", ["linear"], "linear");
  config.oneOf("timestep_type", ["discrete"], "discrete");
  const { trainSteps, sigmas: trained } = createNoiseSchedule(config, { finiteSigmas: true });
  const spacing = config.oneOf("timestep_spacing", TIMESTEP_SPACINGS, "linspace");
  const offset = config.number("steps_offset", 0);
  const karras = config.boolean("use_karras_sigmas", false);
  const finalSigma =
    config.oneOf("final_sigmas_type", ["zero", "sigma_min"], "zero") === "zero" ? 0 : valueAt(trained, 0);

  return (steps) => {
    const spread = spreadTimesteps({ trainSteps, steps, spacing, offset });
    const plain = spread.map((timestep) => interpolate(trained, timestep));
    const chosen = karras ? karrasSigmas(valueAt(plain, 0), valueAt(plain, steps - 1), steps) : plain;
    const timesteps = karras ? chosen.map((sigma) => timestepOfSigma(sigma, trained)) : spread;
    const sigmas = Float32Array.from([...chosen, finalSigma]);
    const sigmaMax = Math.max(...sigmas);
    return {
      timesteps,
      sigmas,
      initialNoiseScale: spacing === "leading" ? Math.sqrt(sigmaMax ** 2 + 1) : sigmaMax,
      scaleModelInput: (sample, index) => weightedSum([noiseLevelOfSigma(valueAt(sigmas, index)).signal, sample]),
    };
  };
}
