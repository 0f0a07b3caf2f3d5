import type { ConfigFile } from "../config-file.ts";
import { createDdim } from "./ddim.ts";
import { createDpmSolverMultistep } from "./dpm-solver-multistep.ts";
import { createEulerAncestral } from "./euler-ancestral.ts";
import { createEuler } from "./euler.ts";
import { createLcm } from "./lcm.ts";
import { createPndm } from "./pndm.ts";
import type { SchedulerFactory } from "./scheduler.ts";

const SCHEDULERS = {
  DDIMScheduler: createDdim,
  DPMSolverMultistepScheduler: createDpmSolverMultistep,
  EulerAncestralDiscreteScheduler: createEulerAncestral,
  EulerDiscreteScheduler: createEuler,
  LCMScheduler: createLcm,
  PNDMScheduler: createPndm,
} as const satisfies Record<string, (config: ConfigFile) => SchedulerFactory>;

/** The diffusers class names that a `scheduler_config.json` may carry. */
export type SchedulerName = keyof typeof SCHEDULERS;

const SCHEDULER_NAMES = Object.keys(SCHEDULERS) as readonly SchedulerName[];

/** @throws {ConfigurationError} `configuration_invalid` for a scheduler, or a setting of one, that we do not have */
export function createScheduler(config: ConfigFile): { name: SchedulerName; start: SchedulerFactory } {
  const name = config.oneOf<SchedulerName>("_class_name", SCHEDULER_NAMES, SCHEDULER_NAMES[0] ?? "DDIMScheduler");
  return { name, start: SCHEDULERS[name](config) };
}
