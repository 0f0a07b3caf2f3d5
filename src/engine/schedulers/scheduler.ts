import type { Sample } from "../sample.ts";

/** What a scheduler is asked to do once per call of the U-Net. */
export interface SchedulerStep {
  /** 0 for the first timestep. */
  readonly index: number;
  readonly modelOutput: Sample;
  readonly sample: Sample;
  /** Draws from the run's generator, for schedulers that add noise. */
  readonly normals: (count: number) => Sample;
}

/** One walk from noise to a picture: made for one run, used once, `index` by `index`. */
export interface Scheduler {
  /** One per call of the U-Net, in order. */
  readonly timesteps: readonly number[];
  /** What the first noise is multiplied with (`init_noise_sigma`). */
  readonly initialNoiseScale: number;
  /** The sample as the U-Net wants to see it. */
  scaleModelInput(sample: Sample, index: number): Sample;
  /** The sample with a little less noise. */
  step(step: SchedulerStep): Sample;
}

/** Parsed once per model; a call starts a run of so many steps. */
export type SchedulerFactory = (steps: number) => Scheduler;
