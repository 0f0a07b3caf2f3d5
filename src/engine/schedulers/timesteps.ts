/** How the steps of a run are spread over the training steps (names and formulas: arXiv 2305.08891, table 2). */
export type TimestepSpacing = "linspace" | "leading" | "trailing";

export const TIMESTEP_SPACINGS = ["linspace", "leading", "trailing"] as const satisfies readonly TimestepSpacing[];

export interface TimestepOptions {
  readonly trainSteps: number;
  readonly steps: number;
  readonly spacing: TimestepSpacing;
  /** Added to each timestep when the spacing is `leading` (`steps_offset`). */
  readonly offset: number;
  /** True: spread one step more and leave out the one nearest to the clean picture, as DPM-Solver does. */
  readonly skipLast?: boolean;
}

/** Training steps from the noisiest to the cleanest; fractions for `linspace`. */
export function spreadTimesteps({ trainSteps, steps, spacing, offset, skipLast = false }: TimestepOptions): number[] {
  const count = skipLast ? steps + 1 : steps;
  switch (spacing) {
    case "linspace": {
      const stride = (trainSteps - 1) / Math.max(1, count - 1);
      const ascending = Array.from({ length: count }, (_, i) =>
        i === count - 1 && i > 0 ? trainSteps - 1 : i * stride,
      );
      return ascending.reverse().slice(0, steps);
    }
    case "leading": {
      const stride = Math.floor(trainSteps / count);
      return Array.from({ length: count }, (_, i) => i * stride + offset)
        .reverse()
        .slice(0, steps);
    }
    case "trailing": {
      const stride = trainSteps / steps;
      return Array.from({ length: steps }, (_, i) => roundHalfToEven(trainSteps - i * stride) - 1);
    }
  }
}

/** Rounds as numpy does: exact halves go to the even neighbour. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
