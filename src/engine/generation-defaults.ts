import type { ConfigFile } from "./config-file.ts";
import { hasTwoEncoders, type ModelKind } from "./model-kind.ts";

/** What a request gets when it does not say. */
export interface GenerationDefaults {
  readonly numInferenceSteps: number;
  readonly guidanceScale: number;
  /** 0 to 1: how far guided outputs are scaled back (Lin et al., arXiv 2305.08891, section 3.4); 0 is off. */
  readonly guidanceRescale: number;
}

/** What the authors of each family draw with. */
const FAMILIES = {
  sd: { numInferenceSteps: 50, guidanceScale: 7.5 },
  sdxl: { numInferenceSteps: 30, guidanceScale: 5 },
  lcm: { numInferenceSteps: 4, guidanceScale: 8.5 },
  /** Trained to draw in a few steps without a second, negative pass. */
  distilled: { numInferenceSteps: 4, guidanceScale: 1 },
} as const;

/** From the optional `generation_config.json` of the model, else by what its kind and its scheduler tell. */
export function generationDefaultsOf(
  kind: ModelKind,
  scheduler: ConfigFile,
  generation: ConfigFile,
): GenerationDefaults {
  const family = FAMILIES[familyOf(kind, scheduler)];
  return {
    numInferenceSteps: generation.number("num_inference_steps", family.numInferenceSteps),
    guidanceScale: generation.number("guidance_scale", family.guidanceScale),
    guidanceRescale: generation.number("guidance_rescale", 0),
  };
}

function familyOf(kind: ModelKind, scheduler: ConfigFile): keyof typeof FAMILIES {
  if (kind === "lcm" || kind === "sdxl-lcm") return "lcm";
  const schedulerClass = scheduler.text("_class_name", "");
  // SD-Turbo and SDXL-Turbo tell themselves apart from their parents by this alone.
  const isTurbo = schedulerClass.startsWith("Euler") && scheduler.text("timestep_spacing", "") === "trailing";
  if (isTurbo || schedulerClass === "LCMScheduler") return "distilled";
  return hasTwoEncoders(kind) ? "sdxl" : "sd";
}
