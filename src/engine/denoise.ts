import { applyGuidance, type Guidance } from "./guidance.ts";
import type { LatentSize } from "./latent-size.ts";
import { weightedSum, type Sample } from "./sample.ts";
import type { Scheduler } from "./schedulers/scheduler.ts";
import type { PromptStates } from "./text-encoder.ts";
import { TorchRandom } from "./torch-random.ts";
import type { Unet, UnetConditions } from "./unet.ts";

/** Called before each call of the U-Net and once at the end; may throw to end the run. */
export type OnStep = (step: number, totalSteps: number) => void;

export interface DenoiseOptions {
  readonly unet: Unet;
  readonly scheduler: Scheduler;
  readonly channels: number;
  readonly size: LatentSize;
  readonly seed: number;
  /** The prompt's states alone, or those of the negative prompt first. */
  readonly states: readonly PromptStates[];
  readonly guidance: Guidance;
  readonly conditions?: UnetConditions;
  readonly onStep: OnStep;
}

/** From the seed's noise to clean latents: the loop of a diffusion model. */
export async function denoise(options: DenoiseOptions): Promise<Sample> {
  const { unet, scheduler, size, states, guidance, conditions = {}, onStep } = options;
  const totalSteps = scheduler.timesteps.length;
  const random = new TorchRandom(options.seed);
  const normals = (count: number): Sample => random.normals(count);
  let sample = weightedSum([scheduler.initialNoiseScale, normals(options.channels * size.width * size.height)]);
  for (const [index, timestep] of scheduler.timesteps.entries()) {
    onStep(index, totalSteps);
    const scaled = scheduler.scaleModelInput(sample, index);
    const outputs = await unet.predict({ sample: scaled, size, timestep, prompts: states, conditions });
    sample = scheduler.step({ index, modelOutput: guide(guidance, outputs), sample, normals });
  }
  onStep(totalSteps, totalSteps);
  return sample;
}

function guide(guidance: Guidance, [first, second]: readonly Sample[]): Sample {
  if (first === undefined) throw new RangeError("The U-Net was asked about no prompt");
  return second === undefined ? first : applyGuidance(guidance, first, second);
}
