import assert from "node:assert/strict";
import test from "node:test";
import { toPullWords } from "./pull-line.ts";
import { toBytes } from "./size-in-words.ts";

test("toPullWords() tells the share, the bytes, the speed and the file", () => {
  const progress = { file: "unet/model.onnx", doneBytes: 2_500_000, totalBytes: 10_000_000 };
  const bar = `[${"#".repeat(6)}${"-".repeat(18)}]`;
  assert.equal(toPullWords(progress, 1e6), `${bar} 25 %, 2.5 MB of 10.0 MB, 1.0 MB/s, unet/model.onnx`);
  assert.equal(toPullWords(progress, NaN), `${bar} 25 %, 2.5 MB of 10.0 MB, unet/model.onnx`);
});

test("toBytes() keeps three digits at most", () => {
  const sizes = [0, 999, 1000, 8_900_000, 999_600, 123_456_789_000, 5e15];
  assert.deepEqual(sizes.map(toBytes), ["0 B", "999 B", "1.0 kB", "8.9 MB", "1.0 MB", "123 GB", "5000 TB"]);
});
