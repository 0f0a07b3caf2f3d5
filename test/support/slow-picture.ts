import { systemRandom } from "../../src/core/random.ts";
import { encodePng } from "../../src/core/png.ts";
import type { GeneratedImage } from "../../src/kserve/generated-image.ts";

/** The edge of a picture of nearly 8 MiB, which base64 makes larger than a client over stdio takes in one message. */
export const HUGE_PIXELS = 1600;

/** A square picture of noise, which no format makes smaller. */
export function createNoisePicture(pixels: number): GeneratedImage {
  const rgb = systemRandom.bytes(pixels * pixels * 3);
  return {
    imageData: encodePng({ width: pixels, height: pixels, rgb }),
    format: "png",
    metadata: {
      prompt: "slow",
      width: pixels,
      height: pixels,
      seed: 1,
      seed_report: { requested: null, sent: 1, echoed: null, honoured: "unknown" },
      model_name: "noise",
      generation_seconds: 0,
      warnings: [],
    },
  };
}
