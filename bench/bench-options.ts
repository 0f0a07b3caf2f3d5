export interface BenchOptions {
  readonly rounds: number;
  /** Little work per round: to see that everything runs, not to believe the figures. */
  readonly quick: boolean;
}
