import assert from "node:assert/strict";
import { test } from "node:test";
import { ASPECT_RATIOS, toSizeOfRatio } from "./aspect-ratio.ts";

test("toSizeOfRatio() keeps the number of pixels about, in steps of 64", () => {
  const size = { width: 1024, height: 1024 };
  assert.deepEqual(
    ASPECT_RATIOS.map((ratio) => [ratio, ...Object.values(toSizeOfRatio(ratio, size))]),
    [
      ["1:1", 1024, 1024],
      ["4:3", 1152, 896],
      ["3:4", 896, 1152],
      ["3:2", 1280, 832],
      ["2:3", 832, 1280],
      ["16:9", 1344, 768],
      ["9:16", 768, 1344],
      ["21:9", 1536, 640],
    ],
  );
});

test("toSizeOfRatio() stays within what generate_image takes", () => {
  assert.deepEqual(toSizeOfRatio("21:9", { width: 64, height: 64 }), { width: 128, height: 64 });
  assert.deepEqual(toSizeOfRatio("21:9", { width: 2048, height: 2048 }), { width: 2048, height: 1344 });
});
