/** The grid that a picture is generated on, in latents. */
export interface LatentSize {
  readonly width: number;
  readonly height: number;
}

export interface LatentSizeOptions {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Latents on each side of the square that the model was trained on. */
  readonly nativeSide: number;
  readonly pixelsPerLatent: number;
  /** The only grids that the model was trained on; empty when it draws well on any. */
  readonly trainedSizes: readonly LatentSize[];
}

/** U-Nets halve the grid three times, so each side is a multiple of 8 latents (or of an eighth of a smaller native side). */
const HALVINGS = 3;
/** Narrower than this part of the native side, pictures fall apart. */
const MIN_SIDE = 0.5;

/** The grid nearest to what was asked for that the model can draw well: about as many latents as its native square at most. */
export function chooseLatentSize(options: LatentSizeOptions): LatentSize {
  const { width, height, nativeSide, pixelsPerLatent, trainedSizes } = options;
  const [first, ...others] = trainedSizes;
  if (first !== undefined) {
    return others.reduce((best, size) => (misfit(size, options) < misfit(best, options) ? size : best), first);
  }
  const wanted = { width: width / pixelsPerLatent, height: height / pixelsPerLatent };
  const shrink = Math.min(1, nativeSide / Math.sqrt(wanted.width * wanted.height));
  const multiple = Math.min(2 ** HALVINGS, Math.max(1, nativeSide / 2 ** HALVINGS));
  const side = (latents: number): number => {
    const held = Math.min(nativeSide * 2, Math.max(nativeSide * MIN_SIDE, latents * shrink));
    return Math.max(multiple, Math.round(held / multiple) * multiple);
  };
  return { width: side(wanted.width), height: side(wanted.height) };
}

/** How far a grid's shape is from what was asked for; 0 is the same shape. */
function misfit(size: LatentSize, { width, height }: LatentSizeOptions): number {
  return Math.abs(Math.log((size.width * height) / (size.height * width)));
}
