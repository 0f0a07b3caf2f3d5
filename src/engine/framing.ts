import type { RgbImage } from "../core/png.ts";
import { resizeImage, type Region } from "./resize.ts";
import { valueAt } from "./sample.ts";

/** The most by which a picture is stretched to meet another shape; beyond it more is cut off. */
const MAX_STRETCH = 1.25;
/** A position whose detail is this close to the best is as good, and the most central of these is taken. */
const AS_GOOD = 0.99;

/**
 * Brings a picture to exactly `width` x `height`. For another shape it is stretched a little and the rest is cut off
 * where the least is to be seen.
 */
export function frameImage(image: RgbImage, width: number, height: number): RgbImage {
  return resizeImage(image, width, height, chooseRegion(image, width / height));
}

/** True when framing to this size changes the shape by more than a tenth. */
export function isReshaped(image: RgbImage, width: number, height: number): boolean {
  const misfit = (width * image.height) / (height * image.width);
  return Math.max(misfit, 1 / misfit) > 1.1;
}

function chooseRegion(image: RgbImage, targetShape: number): Region {
  const misfit = targetShape / (image.width / image.height);
  if (misfit === 1) return { left: 0, top: 0, width: image.width, height: image.height };
  const excess = Math.max(misfit, 1 / misfit);
  const keep = Math.min(MAX_STRETCH, Math.sqrt(excess)) / excess;
  if (misfit > 1) {
    const height = image.height * keep;
    const top = mostDetailed(detailProfile(image, "rows"), height);
    return { left: 0, top, width: image.width, height };
  }
  const width = image.width * keep;
  const left = mostDetailed(detailProfile(image, "columns"), width);
  return { left, top: 0, width, height: image.height };
}

/** Where a window of this length covers the most detail. */
function mostDetailed(profile: Float64Array, length: number): number {
  const space = profile.length - length;
  const sums = new Float64Array(profile.length + 1);
  for (let i = 0; i < profile.length; i++) sums[i + 1] = valueAt(sums, i) + valueAt(profile, i);
  const offsets = Array.from({ length: Math.floor(space) + 1 }, (_, offset) => offset);
  const detail = (offset: number): number => {
    return valueAt(sums, Math.min(profile.length, Math.ceil(offset + length))) - valueAt(sums, Math.floor(offset));
  };
  const best = Math.max(...offsets.map(detail));
  const distance = (offset: number): number => Math.abs(offset - space / 2);
  const candidates = [space / 2, ...offsets].filter((offset) => detail(offset) >= best * AS_GOOD);
  return candidates.reduce(
    (chosen, offset) => (distance(offset) < distance(chosen) ? offset : chosen),
    candidates[0] ?? 0,
  );
}

/** How much each row (or column) differs from pixel to pixel. */
function detailProfile({ width, height, rgb }: RgbImage, along: "rows" | "columns"): Float64Array {
  const profile = new Float64Array(along === "rows" ? height : width);
  for (let y = 1; y < height; y++) {
    for (let x = 1; x < width; x++) {
      const at = (y * width + x) * 3;
      let difference = 0;
      for (let channel = at; channel < at + 3; channel++) {
        const value = rgb[channel] ?? 0;
        difference += Math.abs(value - (rgb[channel - 3] ?? 0)) + Math.abs(value - (rgb[channel - width * 3] ?? 0));
      }
      const index = along === "rows" ? y : x;
      profile[index] = (profile[index] ?? 0) + difference;
    }
  }
  return profile;
}
