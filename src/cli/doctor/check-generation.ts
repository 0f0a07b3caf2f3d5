import { readPngChunks } from "../../core/png.ts";
import type { GeneratedImage, ImageGenerator } from "../../kserve/generated-image.ts";
import { ok, toFailure, warn, type Finding } from "./finding.ts";

/** Small and with few steps: whether it works matters, not how it looks. */
const REQUEST = { prompt: "a red circle", width: 64, height: 64, numInferenceSteps: 2, seed: 42 };

/** Draws two tiny pictures with one seed and compares their pixels. */
export async function checkGeneration(generator: ImageGenerator): Promise<readonly Finding[]> {
  try {
    const first = await generator.generateImage(REQUEST);
    const { width, height, generation_seconds: seconds } = first.metadata;
    const drawn = ok("generation", `A picture of ${width} x ${height} pixels in ${seconds} s`);
    return [drawn, toSeedFinding(first, await generator.generateImage(REQUEST))];
  } catch (error) {
    return [toFailure("generation", error)];
  }
}

function toSeedFinding(first: GeneratedImage, second: GeneratedImage): Finding {
  const remedy = "Pictures cannot be repeated; serve the model with a runtime that takes `seed`.";
  if (first.metadata.seed_report.honoured === false) return warn("seed", "The model does not take a seed", remedy);
  return toPixels(first).equals(toPixels(second))
    ? ok("seed", "The same seed gives the same pixels")
    : warn("seed", "The same seed gives different pixels: the model ignores it", remedy);
}

/** What decides the pixels: of a PNG its compressed rows, without the texts beside them. */
function toPixels({ format, imageData }: GeneratedImage): Buffer {
  if (format !== "png") return imageData;
  const rows = readPngChunks(imageData).filter(({ type }) => type === "IDAT");
  return Buffer.concat(rows.map(({ dataStart, dataLength }) => imageData.subarray(dataStart, dataStart + dataLength)));
}
