import assert from "node:assert/strict";
import { test } from "node:test";
import { createPngChunk, encodePng } from "../core/png.ts";
import { verifyImage } from "../core/verify-image.ts";
import { isBlackPicture } from "./black-picture.ts";

function isBlack(picture: Buffer): boolean {
  return isBlackPicture(picture, verifyImage(picture));
}

test("isBlackPicture() is true for black pictures of any size alone", () => {
  for (const [width, height] of [
    [8, 8],
    [512, 512],
    [1, 2000],
  ] as const) {
    const rgb = new Uint8Array(width * height * 3);
    assert.equal(isBlack(encodePng({ width, height, rgb })), true);
    rgb[rgb.length - 1] = 1;
    assert.equal(isBlack(encodePng({ width, height, rgb })), false);
    assert.equal(isBlack(encodePng({ width, height, rgb: rgb.fill(255) })), false);
  }
});

test("isBlackPicture() is false for a file whose pixels cannot be read", () => {
  const picture = encodePng({ width: 8, height: 8, rgb: new Uint8Array(192) });
  const wrong = Buffer.concat([
    picture.subarray(0, 33),
    createPngChunk("IDAT", Buffer.from("nonsense")),
    picture.subarray(-12),
  ]);
  assert.equal(isBlack(wrong), false);
  const tooLong = encodePng({ width: 8, height: 9, rgb: new Uint8Array(216) });
  picture.copy(tooLong, 0, 0, 33);
  assert.equal(isBlack(tooLong), false);
  const jpeg = { format: "jpeg", width: 8, height: 8 } as const;
  assert.equal(isBlackPicture(picture, jpeg), false);
});
