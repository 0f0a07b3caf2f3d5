import type { ModelProfileName } from "../config/settings.ts";
import type { GenerateImageRequest } from "./generated-image.ts";

/** Parameters that suit a family of models. */
export interface ModelProfile {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  readonly numInferenceSteps: number;
  readonly guidanceScale: number;
}

/** What holds where no family is known: the specified defaults. */
export const GENERATION_DEFAULTS = {
  width: 512,
  height: 512,
  numInferenceSteps: 50,
  guidanceScale: 7.5,
} as const satisfies ModelProfile;

const LARGE = { width: 1024, height: 1024 } as const;
/** Steps of a distilled model; a guidance of 1 switches the second, negative pass off, which such a model must not have. */
const DISTILLED = { numInferenceSteps: 4, guidanceScale: 1 } as const;

/**
 * The profiles by name. Steps and guidance are the defaults of the diffusers pipelines, except that SDXL draws in 30
 * steps what gains nothing from 50.
 */
export const MODEL_PROFILES = {
  /** What the runtime itself draws with. */
  runtime: {},
  none: GENERATION_DEFAULTS,
  sd: GENERATION_DEFAULTS,
  sdxl: { ...LARGE, numInferenceSteps: 30, guidanceScale: 5 },
  sd3: { ...LARGE, numInferenceSteps: 28, guidanceScale: 7 },
  flux: { ...LARGE, numInferenceSteps: 28, guidanceScale: 3.5 },
  turbo: { ...GENERATION_DEFAULTS, ...DISTILLED },
  lcm: { ...GENERATION_DEFAULTS, numInferenceSteps: 4, guidanceScale: 8 },
} as const satisfies Record<Exclude<ModelProfileName, "auto">, Partial<ModelProfile>>;

/** Families by what their models are called; the first that fits counts. */
const FAMILIES: readonly (readonly [RegExp, ModelProfile])[] = [
  [/(?:sd|xl)[-_.]?turbo/, MODEL_PROFILES.turbo],
  [/lcm|latent[-_]consistency/, MODEL_PROFILES.lcm],
  [/flux/, MODEL_PROFILES.flux],
  [/(?:\bsd|stable[-_]?diffusion)[-_]?v?3/, MODEL_PROFILES.sd3],
  [/sd[-_]?xl|[-_]xl\b/, MODEL_PROFILES.sdxl],
];
const IS_DISTILLED = /turbo|lightning|schnell|hyper[-_]?sd/;

/** The profile of a model; `auto` goes by its name. */
export function chooseModelProfile(setting: ModelProfileName, modelName: string): Partial<ModelProfile> {
  if (setting !== "auto") return MODEL_PROFILES[setting];
  const name = modelName.toLowerCase();
  const family = FAMILIES.find(([pattern]) => pattern.test(name))?.[1] ?? GENERATION_DEFAULTS;
  return IS_DISTILLED.test(name) ? { ...family, ...DISTILLED } : family;
}

/** The request with the profile's values where the caller gave none. */
export function applyModelProfile<Profile extends Partial<ModelProfile>>(
  request: GenerateImageRequest,
  profile: Profile,
): GenerateImageRequest & Profile {
  const given = Object.entries(request).filter(([, value]) => value !== undefined);
  return { ...request, ...profile, ...Object.fromEntries(given) };
}
