import { systemRandom } from "../../src/core/random.ts";
import { encodePng } from "../../src/core/png.ts";
import type { GeneratedImage } from "../../src/kserve/generated-image.ts";

const PIXELS = 1600;

/** A picture of noise: nearly 8 MiB, which base64 makes larger than a client over stdio takes in one message. */
export function createHugePicture(prompt: string): GeneratedImage {
  const row = systemRandom.bytes(PIXELS * PIXELS * 3);
  return {
    imageData: encodePng({ width: PIXELS, height: PIXELS, rgb: row }),
    format: "png",
    metadata: {
      prompt,
      width: PIXELS,
      height: PIXELS,
      seed: 1,
      seed_report: { requested: null, sent: 1, echoed: null, honoured: "unknown" },
      model_name: "noise",
      generation_seconds: 0,
      warnings: [],
    },
  };
}
