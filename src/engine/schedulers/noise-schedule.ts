import type { ConfigFile } from "../config-file.ts";
import { valueAt } from "../sample.ts";
import type { NoiseLevel } from "./prediction.ts";

/** How much of the signal is left after each training step. */
export interface NoiseSchedule {
  readonly trainSteps: number;
  /** `alphas_cumprod`: the share of the signal's variance at each training step. */
  readonly alphas: Float32Array;
  /** Noise per signal at each training step: sqrt((1 - alpha) / alpha). */
  readonly sigmas: Float64Array;
}

export interface NoiseScheduleDefaults {
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: "linear" | "scaled_linear";
}

/** What most diffusers schedulers assume when their configuration is silent. */
const DDPM_DEFAULTS: NoiseScheduleDefaults = { betaStart: 0.0001, betaEnd: 0.02, betaSchedule: "linear" };

/** Where zero terminal SNR would divide by zero, diffusers puts the smallest positive half float. */
const SMALLEST_HALF = 2 ** -24;

export interface NoiseScheduleOptions {
  readonly defaults?: NoiseScheduleDefaults;
  /** True for schedulers that walk along sigmas, which must stay finite. */
  readonly finiteSigmas?: boolean;
}

/** Computes the schedule in 32-bit steps, as diffusers does. */
export function createNoiseSchedule(config: ConfigFile, options: NoiseScheduleOptions = {}): NoiseSchedule {
  const trainSteps = config.number("num_train_timesteps", 1000);
  const zeroSnr = config.boolean("rescale_betas_zero_snr", false);
  const betas = createBetas(config, trainSteps, options.defaults ?? DDPM_DEFAULTS);
  const alphas = cumulativeProduct(zeroSnr ? rescaleToZeroSnr(betas) : betas);
  if (zeroSnr && options.finiteSigmas === true) alphas[trainSteps - 1] = SMALLEST_HALF;
  return { trainSteps, alphas, sigmas: Float64Array.from(alphas, (alpha) => Math.sqrt((1 - alpha) / alpha)) };
}

export function noiseLevelOfAlpha(alpha: number): NoiseLevel {
  return { signal: Math.sqrt(alpha), noise: Math.sqrt(1 - alpha) };
}

export function noiseLevelOfSigma(sigma: number): NoiseLevel {
  const signal = 1 / Math.sqrt(sigma ** 2 + 1);
  return { signal, noise: sigma * signal };
}

function createBetas(config: ConfigFile, count: number, defaults: NoiseScheduleDefaults): Float32Array {
  const trained = config.numbers("trained_betas");
  if (trained !== undefined) return Float32Array.from(trained);
  const start = config.number("beta_start", defaults.betaStart);
  const end = config.number("beta_end", defaults.betaEnd);
  const kinds = ["linear", "scaled_linear", "squaredcos_cap_v2"] as const;
  switch (config.oneOf("beta_schedule", kinds, defaults.betaSchedule)) {
    case "linear":
      return linearSpace(start, end, count);
    case "scaled_linear":
      return linearSpace(Math.sqrt(start), Math.sqrt(end), count).map((root) => root * root);
    case "squaredcos_cap_v2":
      return cosineBetas(count);
  }
}

/** As `torch.linspace` in float32: counted from both ends, so that both are exact. */
function linearSpace(start: number, end: number, count: number): Float32Array {
  const [first, last] = [Math.fround(start), Math.fround(end)];
  const step = (last - first) / (count - 1);
  return Float32Array.from({ length: count }, (_, i) =>
    i < count / 2 ? first + step * i : last - step * (count - 1 - i),
  );
}

/** Nichol and Dhariwal, arXiv 2102.09672, equation 17. */
function cosineBetas(count: number): Float32Array {
  const signal = (time: number): number => Math.cos((((time + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  return Float32Array.from({ length: count }, (_, i) =>
    Math.min(1 - signal((i + 1) / count) / signal(i / count), 0.999),
  );
}

function cumulativeProduct(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => (product = Math.fround(product * Math.fround(1 - beta))));
}

/** Lin et al., arXiv 2305.08891, algorithm 1. */
function rescaleToZeroSnr(betas: Float32Array): Float32Array {
  const roots = Float64Array.from(cumulativeProduct(betas), Math.sqrt);
  const first = valueAt(roots, 0);
  const last = valueAt(roots, roots.length - 1);
  const alphas = roots.map((root) => (((root - last) * first) / (first - last)) ** 2);
  return Float32Array.from(alphas, (alpha, i) => 1 - (i === 0 ? alpha : alpha / valueAt(alphas, i - 1)));
}
