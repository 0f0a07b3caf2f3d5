import { writeFileSync } from "node:fs";
import { encodePng } from "../../src/core/png.ts";
import { DiffusionPipeline } from "../../src/engine/diffusion-pipeline.ts";
import { findRuntime, shippedModelPath } from "../../src/engine/package-files.ts";
import { toSheet } from "./sheet.ts";

// Draws the sample sheet of the documentation with the shipped model and its own defaults:
//
//     node bench/model/draw-sheet.ts docs/images/scenes-v1.png

const COLUMNS = 4;
/** None of them chosen for its picture: the seed of each is its place. */
const PROMPTS = [
  "a red circle on a blue background",
  "a small white heart on the left, green background",
  "a large yellow star on purple",
  "an orange diamond at the bottom on black",
  "a yellow square above a blue square on a gray background",
  "a green triangle left of a pink circle on white",
  "a small white star inside a large red heart on cyan",
  "three red circles on white",
  "the sea at sunset with the sun and a red boat",
  "snowy mountains at night with the moon and stars",
  "a desert by day with a cactus and the sun",
  "green hills with a blue house and clouds",
  "a forest at night with stars",
  "mountains at sunset with trees",
  "the sea by day with clouds and a white boat on the right",
  "hills at night with the moon on the left and a yellow house",
];

const runtime = { kind: "wasm", url: findRuntime(), threads: 1, memoryMegabytes: undefined } as const;
const pipeline = await DiffusionPipeline.load(shippedModelPath(), runtime);
const pictures = [];
for (const [seed, prompt] of PROMPTS.entries()) {
  const { image } = await pipeline.generate({ prompt, seed, width: 256, height: 256 }, () => undefined);
  pictures.push(image);
}
const path = process.argv[2] ?? "sheet.png";
writeFileSync(path, encodePng(toSheet(pictures, COLUMNS)));
console.log(path);
