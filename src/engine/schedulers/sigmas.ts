import { valueAt } from "../sample.ts";

/** Karras et al., arXiv 2206.00364, equation 5, with the paper's rho. */
export function karrasSigmas(sigmaMax: number, sigmaMin: number, count: number): number[] {
  const rho = 7;
  const [high, low] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return Array.from({ length: count }, (_, i) => (high + (count === 1 ? 0 : i / (count - 1)) * (low - high)) ** rho);
}

/** The value between two entries of a table, held at both ends. */
export function interpolate(table: ArrayLike<number>, position: number): number {
  const last = table.length - 1;
  const below = Math.min(last, Math.max(0, Math.floor(position)));
  const above = Math.min(last, below + 1);
  const start = valueAt(table, below);
  return start + (valueAt(table, above) - start) * Math.min(1, Math.max(0, position - below));
}

/** The (fractional) training step whose sigma this is, by interpolation between logarithms. */
export function timestepOfSigma(sigma: number, sigmas: Float64Array): number {
  const logarithm = Math.log(Math.max(sigma, 1e-10));
  const above = sigmas.findIndex((candidate) => Math.log(candidate) > logarithm);
  const low = Math.min(Math.max(0, (above === -1 ? sigmas.length : above) - 1), sigmas.length - 2);
  const lowLog = Math.log(valueAt(sigmas, low));
  const highLog = Math.log(valueAt(sigmas, low + 1));
  const weight = Math.min(1, Math.max(0, (logarithm - lowLog) / (highLog - lowLog)));
  return low + weight;
}
