/** Forms that a picture may be asked for by name. */
export const ASPECT_RATIOS = ["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9"] as const;

export type AspectRatio = (typeof ASPECT_RATIOS)[number];

interface Size {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** What every diffusion model that we know can draw is a multiple of this. */
const STEP = 64;
const MAX_PIXELS = 2048;

/** A size of this form with about as many pixels as another one, in steps that models can draw. */
export function toSizeOfRatio(ratio: AspectRatio, { width, height }: Size): Size {
  const [across = 1, down = 1] = ratio.split(":").map(Number);
  const unit = Math.sqrt((width * height) / (across * down));
  return { width: toStep(across * unit), height: toStep(down * unit) };
}

function toStep(pixels: number): number {
  return Math.min(MAX_PIXELS, Math.max(STEP, Math.round(pixels / STEP) * STEP));
}
