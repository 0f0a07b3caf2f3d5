import { standardDeviation, weightedSum, type Sample } from "./sample.ts";

/** How strongly a picture follows its prompt. */
export interface Guidance {
  /** 1 or less: the prompt alone; more: away from the negative prompt, by this factor. */
  readonly scale: number;
  /** 0 to 1: how far the spread of the result is pulled back to that of the unguided output. */
  readonly rescale: number;
}

/** With a scale of 1 or less there is nothing to be guided away from, and the U-Net is asked once per step. */
export function isGuided(guidance: Guidance): boolean {
  return guidance.scale > 1;
}

/**
 * Classifier-free guidance (Ho and Salimans, arXiv 2207.12598), rescaled against over-exposed pictures
 * (Lin et al., arXiv 2305.08891, section 3.4).
 */
export function applyGuidance(guidance: Guidance, negative: Sample, positive: Sample): Sample {
  const guided = weightedSum([1 - guidance.scale, negative], [guidance.scale, positive]);
  if (guidance.rescale === 0) return guided;
  const spread = standardDeviation(guided);
  const factor = spread === 0 ? 1 : standardDeviation(positive) / spread;
  return weightedSum([guidance.rescale * factor + 1 - guidance.rescale, guided]);
}
