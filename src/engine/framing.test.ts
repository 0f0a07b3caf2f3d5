import assert from "node:assert/strict";
import test from "node:test";
import type { RgbImage } from "../core/png.ts";
import { frameImage, isReshaped } from "./framing.ts";
import { chooseLatentSize } from "./latent-size.ts";
import { resizeImage } from "./resize.ts";

test("resizeImage() gives the same picture for the same size", () => {
  const image = paint(5, 4, (x, y) => x * 40 + y);
  assert.equal(resizeImage(image, 5, 4), image);
});

test("resizeImage() keeps a plain colour exactly, up and down, at any size", () => {
  const image = paint(16, 16, () => 173);
  for (const [width, height] of [
    [64, 64],
    [2048, 64],
    [7, 3],
    [16, 17],
    [1, 1],
  ] as const) {
    const resized = resizeImage(image, width, height);
    assert.equal(resized.rgb.length, width * height * 3);
    assert.ok(
      resized.rgb.every((byte) => byte === 173),
      `${width}x${height}`,
    );
  }
});

test("resizeImage() halves by averaging over the whole picture, without a shift", () => {
  const ramp = paint(64, 8, (x) => 40 + x * 2);
  const half = resizeImage(ramp, 32, 4);
  for (let x = 4; x < 28; x++) assert.ok(Math.abs((half.rgb[x * 3] ?? 0) - (41 + x * 4)) <= 1, `column ${x}`);
});

test("resizeImage() keeps an edge where it is when it doubles", () => {
  const doubled = resizeImage(
    paint(32, 2, (x) => (x < 16 ? 0 : 255)),
    64,
    4,
  );
  assert.ok((doubled.rgb[30 * 3] ?? 255) < 60);
  assert.ok((doubled.rgb[33 * 3] ?? 0) > 195);
});

test("frameImage() gives exactly the size, and no cut for the same shape", () => {
  const image = paint(32, 32, (x, y) => x + y);
  const framed = frameImage(image, 96, 64);
  assert.deepEqual([framed.width, framed.height, framed.rgb.length], [96, 64, 96 * 64 * 3]);
  assert.equal(isReshaped(image, 64, 60), false);
  assert.equal(isReshaped(image, 96, 64), true);
  assert.deepEqual(frameImage(image, 64, 64), resizeImage(image, 64, 64));
});

test("frameImage() cuts off where there is nothing to see", () => {
  const isBright = (image: RgbImage): number => image.rgb.filter((byte) => byte > 200).length / image.rgb.length;
  const square = (top: number): RgbImage => {
    return paint(64, 64, (x, y) => (x >= 24 && x < 40 && y >= top && y < top + 12 ? 255 : 10));
  };
  const [top, bottom] = [frameImage(square(2), 128, 64), frameImage(square(50), 128, 64)];
  assert.ok(isBright(top) > 0.06, `top ${isBright(top)}`);
  assert.ok(Math.abs(isBright(top) - isBright(bottom)) < 0.01);
});

test("chooseLatentSize() keeps to the nearest shape that the model was trained on", () => {
  const trainedSizes = [
    { width: 8, height: 8 },
    { width: 12, height: 8 },
    { width: 8, height: 12 },
  ];
  const model = { nativeSide: 8, pixelsPerLatent: 32, trainedSizes };
  assert.deepEqual(chooseLatentSize({ width: 500, height: 512, ...model }), { width: 8, height: 8 });
  assert.deepEqual(chooseLatentSize({ width: 2048, height: 64, ...model }), { width: 12, height: 8 });
  assert.deepEqual(chooseLatentSize({ width: 64, height: 90, ...model }), { width: 8, height: 12 });
});

test("chooseLatentSize() takes the nearest grid of multiples of 8 of about the native area at most", () => {
  const model = { nativeSide: 64, pixelsPerLatent: 8, trainedSizes: [] };
  assert.deepEqual(chooseLatentSize({ width: 512, height: 512, ...model }), { width: 64, height: 64 });
  assert.deepEqual(chooseLatentSize({ width: 768, height: 512, ...model }), { width: 80, height: 56 });
  assert.deepEqual(chooseLatentSize({ width: 2048, height: 2048, ...model }), { width: 64, height: 64 });
  assert.deepEqual(chooseLatentSize({ width: 301, height: 299, ...model }), { width: 40, height: 40 });
  assert.deepEqual(chooseLatentSize({ width: 64, height: 2048, ...model }), { width: 32, height: 128 });
});

function paint(width: number, height: number, value: (x: number, y: number) => number): RgbImage {
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) rgb.fill(value(i % width, Math.floor(i / width)), i * 3, i * 3 + 3);
  return { width, height, rgb };
}
