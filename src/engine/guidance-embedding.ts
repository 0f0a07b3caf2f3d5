import type { Sample } from "./sample.ts";

const LONGEST_WAVE = 10_000;
const SCALE = 1000;

/**
 * A guidance as a latent consistency model takes it: sines, then cosines, of waves from 1 to 10,000 long.
 * Source: diffusers, `get_guidance_scale_embedding`; what it embeds is the guidance scale less 1.
 */
export function embedGuidance(guidanceScale: number, length: number): Sample {
  const half = Math.floor(length / 2);
  const step = Math.log(LONGEST_WAVE) / Math.max(1, half - 1);
  const angles = Array.from({ length: half }, (_, i) => (guidanceScale - 1) * SCALE * Math.exp(-step * i));
  const embedding = new Float32Array(length);
  embedding.set(angles.map(Math.sin));
  embedding.set(angles.map(Math.cos), half);
  return embedding;
}
