import type { ConfigFile } from "../config-file.ts";
import { weightedSum, type Sample } from "../sample.ts";

/** What the U-Net was trained to say about a noisy sample. */
export type PredictionType = "epsilon" | "v_prediction" | "sample";

export function predictionTypeOf(config: ConfigFile): PredictionType {
  return config.oneOf("prediction_type", ["epsilon", "v_prediction", "sample"], "epsilon");
}

/** A noisy sample is `signal * clean + noise * normals`, with `signal² + noise² = 1`. */
export interface NoiseLevel {
  readonly signal: number;
  readonly noise: number;
}

/** The clean sample that a prediction implies (v-prediction: Salimans and Ho, arXiv 2202.00512, appendix D). */
export function toCleanSample(type: PredictionType, level: NoiseLevel, noisy: Sample, prediction: Sample): Sample {
  const { signal, noise } = level;
  switch (type) {
    case "epsilon":
      return weightedSum([1 / signal, noisy], [-noise / signal, prediction]);
    case "v_prediction":
      return weightedSum([signal, noisy], [-noise, prediction]);
    case "sample":
      return prediction;
  }
}

/** The noise that a prediction implies. */
export function toNoise(type: PredictionType, level: NoiseLevel, noisy: Sample, prediction: Sample): Sample {
  const { signal, noise } = level;
  switch (type) {
    case "epsilon":
      return prediction;
    case "v_prediction":
      return weightedSum([signal, prediction], [noise, noisy]);
    case "sample":
      return weightedSum([1 / noise, noisy], [-signal / noise, prediction]);
  }
}
