import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadHeldOut } from "../bench/model/heldout.ts";
import { drawCaption, scoreNegatives, scoreSet } from "../bench/model/measure.ts";
import { shrink } from "../bench/model/picture.ts";
import { judge, shows } from "../bench/model/score.ts";
import type { RgbImage } from "../src/core/png.ts";
import { DiffusionPipeline } from "../src/engine/diffusion-pipeline.ts";
import { findRuntime, shippedModelPath } from "../src/engine/package-files.ts";

/** Of each kind of plain caption the first so many: what `npm run eval:model` says in full, in a minute. */
const SUBSET = 6;
/** Captions with and without a negative prompt, in pairs. */
const NEGATIVES = 16;
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
    atLeast(["kind"], ["side"], 5);
    atLeast(["background", "colors", "relation"], ["relation"], 3 * SUBSET);
    atLeast(["kinds"], ["relation"], 3);
    atLeast(["sky", "land"], ["landscape"], 2 * SUBSET);
    atLeast(["whole"], ["landscape"], 5);
    const negatives = sets.negative.slice(0, NEGATIVES);
    const onWrong = (line: string): void => console.log(`not removed: ${line}`);
    const { shown, removed, added } = await scoreNegatives(negatives, drawCaption(pipeline), renderer, onWrong);
    assert.ok(shown >= 2 && removed >= shown - 1 && added === 0, `${removed} of ${shown} removed, ${added} added`);
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

test("judge() takes neither strips of sand nor stars for the sun or the moon", () => {
  const night = sets.negative.find(({ scene }) => scene.type === "landscape" && scene.light === "moon");
  assert.ok(night);
  const paint = (isBright: (x: number, y: number) => boolean): RgbImage => ({
    width: 64,
    height: 64,
    rgb: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return isBright(pixel % 64, Math.floor(pixel / 64)) ? ([245, 242, 217][i % 3] ?? 0) : 20;
    }),
  });
  const shown = (image: RgbImage): boolean => shows(night, "moon", image, renderer);
  assert.equal(shown(paint((x, y) => Math.hypot(x - 20, y - 13) < 6)), true);
  assert.equal(shown(paint((x, y) => x % 9 < 2 && y % 9 < 2)), false);
  assert.equal(shown(paint((_x, y) => y === 30 || y === 31)), false);
  assert.equal(shown(paint((x, y) => x < 12 && y >= 30 && y < 34)), false);
});

test("shrink() averages square blocks and refuses what they do not divide", () => {
  const image = { width: 2, height: 2, rgb: Uint8Array.of(0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 0, 255) };
  assert.deepEqual(shrink(image, 1, 1).pixels, [[0.5, 0.25, 0.5]]);
  assert.throws(() => shrink(image, 3, 1), RangeError);
});
