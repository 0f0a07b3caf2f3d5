import { parseArgs } from "node:util";
import { DiffusionPipeline } from "../../src/engine/diffusion-pipeline.ts";
import { findNativeRuntime, findRuntime, shippedModelPath } from "../../src/engine/package-files.ts";
import { loadHeldOut, type CaptionSet } from "./heldout.ts";
import { drawCaption, scoreNegatives, scoreSet } from "./measure.ts";
import { percent } from "./score.ts";

// Measures how well a model's pictures follow held-out captions, judged from their pixels by what the renderer knows.
//
//     npm run eval:model -- --set plain --count 30 --from 0 --verbose
//
// With --captions FILE, those that training/heldout.py wrote there, rather than the ones that the documents speak of.

const { values } = parseArgs({
  options: {
    set: { type: "string" },
    model: { type: "string", default: shippedModelPath() },
    captions: { type: "string" },
    executor: { type: "string", default: "wasm" },
    from: { type: "string", default: "0" },
    count: { type: "string", default: "1000" },
    steps: { type: "string" },
    guidance: { type: "string" },
    json: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

const kind = values.executor === "native" ? "native" : "wasm";
const url = kind === "native" ? findNativeRuntime() : findRuntime();
const pipeline = await DiffusionPipeline.load(values.model, { kind, url, threads: 1, memoryMegabytes: undefined });
const { renderer, sets } = loadHeldOut(values.captions);
const settings = {
  ...(values.steps !== undefined && { numInferenceSteps: Number(values.steps) }),
  ...(values.guidance !== undefined && { guidanceScale: Number(values.guidance) }),
};
const [from, count] = [Number(values.from), Number(values.count)];

for (const set of ["plain", "free", "negative"] as const satisfies readonly CaptionSet[]) {
  if (values.set !== undefined && values.set !== set) continue;
  const captions = sets[set].slice(from, from + count);
  const draw = drawCaption(pipeline, settings);
  const onWrong = (line: string): void => void (values.verbose && console.log(line));
  if (set === "negative") {
    const result = await scoreNegatives(captions, draw, renderer, onWrong);
    console.log(
      values.json
        ? JSON.stringify({ set, ...result })
        : `\nnegative: what would have been there in ${result.shown} of ${result.pairs} pictures was removed from ${result.removed}, and added to ${result.added}`,
    );
    continue;
  }
  const table = await scoreSet(captions, draw, renderer, onWrong);
  const [all, whole] = [table.sum(undefined), table.sum(["whole"])];
  if (values.json) {
    console.log(JSON.stringify({ set, ...table.toJson() }));
    continue;
  }
  console.log(`\n${set}: ${captions.length} captions\n\n${table.toMarkdown()}`);
  console.log(
    `\nchecks ${all.passed} of ${all.total} = ${percent(all)}; everything right in ${whole.passed} of ${whole.total} = ${percent(whole)}`,
  );
}
