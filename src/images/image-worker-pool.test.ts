import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { encodePng, type RgbImage } from "../core/png.ts";
import { verifyImage } from "../core/verify-image.ts";
import { ImageWorkerPool } from "./image-worker-pool.ts";

const noise = (width: number, height: number): RgbImage => ({ width, height, rgb: randomBytes(width * height * 3) });

test("ImageWorkerPool.encode() gives the PNG that encodePng gives, inline and from a thread", async () => {
  for (const inlineBytes of [0, 1024 * 1024]) {
    await using pool = new ImageWorkerPool({ size: 1, inlineBytes });
    const image = noise(30, 20);
    const expected = encodePng(image);
    assert.ok((await pool.encode(image)).equals(expected));
  }
});

test("ImageWorkerPool.encode() leaves the neighbours of a slice alone", async () => {
  await using pool = new ImageWorkerPool({ size: 1, inlineBytes: 0 });
  const shared = Buffer.alloc(16 * 16 * 3 * 5, 7);
  await pool.encode({ width: 16, height: 16, rgb: shared.subarray(0, 16 * 16 * 3) });
  assert.equal(shared.length, 16 * 16 * 3 * 5);
  assert.equal(shared.at(-1), 7);
});

test("ImageWorkerPool runs more pictures than it has threads", async () => {
  await using pool = new ImageWorkerPool({ size: 2, inlineBytes: 0 });
  const files = await Promise.all(Array.from({ length: 9 }, async (_, i) => pool.encode(noise(i + 10, 5))));
  assert.deepEqual(
    files.map((file) => verifyImage(file).width),
    [10, 11, 12, 13, 14, 15, 16, 17, 18],
  );
});

test("ImageWorkerPool.close() ends its threads and refuses new work, and may be called twice", async () => {
  const pool = new ImageWorkerPool({ size: 1, inlineBytes: 0 });
  await pool.encode(noise(10, 10));
  await pool.close();
  await pool.close();
  await assert.rejects(pool.encode(noise(10, 10)), /closed/);
});
