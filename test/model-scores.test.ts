import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadHeldOut } from "../bench/model/heldout.ts";
import { drawCaption, scoreSet } from "../bench/model/measure.ts";
import { shrink } from "../bench/model/picture.ts";
import { judge } from "../bench/model/score.ts";
import type { RgbImage } from "../src/core/png.ts";
import { DiffusionPipeline } from "../src/engine/diffusion-pipeline.ts";
import { findRuntime, shippedModelPath } from "../src/engine/package-files.ts";

/** Of each kind of plain caption the first so many: what `npm run eval:model` says in full, in a minute. */
const SUBSET = 6;
const { renderer, sets } = loadHeldOut();

// Proves: ENGINE-7
describe("The shipped model on held-out captions", () => {
  test("keeps its scores", async () => {
    const runtime = { kind: "wasm", url: findRuntime(), threads: 1, memoryMegabytes: undefined } as const;
    const pipeline = await DiffusionPipeline.load(shippedModelPath(), runtime);
    const captions = (["side", "relation", "landscape"] as const).flatMap((group) =>
      sets.plain.filter((caption) => caption.group === group).slice(0, SUBSET),
    );
    const table = await scoreSet(captions, drawCaption(pipeline), renderer, (line) => console.log(`wrong: ${line}`));
    const atLeast = (checks: readonly string[], groups: readonly string[], least: number): void => {
      const { passed, total } = table.sum(checks, groups);
      assert.ok(passed >= least, `${groups.join()} ${checks.join()}: ${passed} of ${total}, not ${least}`);
    };
    atLeast(["background", "color", "side"], ["side"], 3 * SUBSET);
    atLeast(["kind"], ["side"], 4);
    atLeast(["background", "colors", "relation"], ["relation"], 3 * SUBSET);
    atLeast(["kinds"], ["relation"], 2);
    atLeast(["sky", "land"], ["landscape"], 2 * SUBSET);
    atLeast(["whole"], ["landscape"], 5);
  });
});

test("judge() sees what a picture shows and what it does not", () => {
  const caption = sets.plain.find(({ scene }) => scene.type === "shapes" && scene.side === "left");
  assert.ok(caption?.scene.type === "shapes");
  const [object] = caption.scene.objects;
  const colours = { own: renderer.palette[object?.color ?? ""], ground: renderer.palette[caption.scene.background] };
  const paint = (isInside: (x: number, y: number) => boolean): RgbImage => {
    const pixels = Array.from({ length: 64 * 64 }, (_, i) =>
      isInside(i % 64, Math.floor(i / 64)) ? colours.own : colours.ground,
    );
    return {
      width: 64,
      height: 64,
      rgb: Uint8Array.from(
        pixels.flatMap((colour) => colour ?? []),
        (value) => Math.round(value * 255),
      ),
    };
  };
  const half = Math.sqrt(object?.area ?? 0) / 2;
  const squareAt = (cx: number) => (x: number, y: number) => Math.abs(x - cx) < half && Math.abs(y - 32) < half;
  const left = judge(caption, paint(squareAt(18)), renderer);
  assert.deepEqual(left, { background: true, color: true, side: true, kind: object?.shape === "square" });
  assert.equal(judge(caption, paint(squareAt(46)), renderer)["side"], false);
  const empty = judge(
    caption,
    paint(() => false),
    renderer,
  );
  assert.deepEqual(empty, { background: true, color: false, side: false, kind: false });
});

test("shrink() averages square blocks and refuses what they do not divide", () => {
  const image = { width: 2, height: 2, rgb: Uint8Array.of(0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 0, 255) };
  assert.deepEqual(shrink(image, 1, 1).pixels, [[0.5, 0.25, 0.5]]);
  assert.throws(() => shrink(image, 3, 1), RangeError);
});
