import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { MCPImageError } from "../core/errors.ts";
import { encodePng } from "../core/png.ts";
import { ImageWorkerPool } from "./image-worker-pool.ts";

const picture = (side: number): Buffer => encodePng({ width: side, height: side, rgb: randomBytes(side * side * 3) });

test("ImageWorkerPool.verify() gives size, format and the same bytes, inline and from a thread", async () => {
  await using pool = new ImageWorkerPool({ size: 2, inlineBytes: 10_000 });
  for (const side of [8, 200]) {
    const bytes = picture(side);
    const expected = Buffer.from(bytes);
    const verified = await pool.verify(bytes);
    assert.deepEqual(
      { format: verified.format, width: verified.width, height: verified.height },
      { format: "png", width: side, height: side },
    );
    assert.ok(verified.imageData.equals(expected));
  }
});

test("ImageWorkerPool.verify() refuses a damaged picture from a thread with the reason", async () => {
  await using pool = new ImageWorkerPool({ size: 1, inlineBytes: 0 });
  const bytes = picture(64);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await assert.rejects(pool.verify(bytes), (error) => {
    assert.ok(error instanceof MCPImageError);
    assert.equal(error.code, "image_invalid");
    assert.match(String(error.details["reason"]), /checksum of chunk IDAT/);
    return true;
  });
});

test("ImageWorkerPool.verify() leaves the neighbours of a slice alone", async () => {
  await using pool = new ImageWorkerPool({ size: 1, inlineBytes: 0 });
  const bytes = picture(16);
  const shared = Buffer.concat([Buffer.alloc(bytes.length * 4, 7), bytes]);
  await pool.verify(shared.subarray(bytes.length * 4));
  assert.equal(shared[0], 7);
  assert.equal(shared.length, bytes.length * 5);
});

test("ImageWorkerPool.encode() gives the PNG that encodePng gives, inline and from a thread", async () => {
  for (const inlineBytes of [0, 1024 * 1024]) {
    await using pool = new ImageWorkerPool({ size: 1, inlineBytes });
    const image = { width: 30, height: 20, rgb: randomBytes(1800) };
    const expected = encodePng(image);
    assert.ok((await pool.encode(image)).equals(expected));
  }
});

test("ImageWorkerPool runs more pictures than it has threads", async () => {
  await using pool = new ImageWorkerPool({ size: 2, inlineBytes: 0 });
  const results = await Promise.all(Array.from({ length: 9 }, async (_, i) => pool.verify(picture(i + 10))));
  assert.deepEqual(
    results.map(({ width }) => width),
    [10, 11, 12, 13, 14, 15, 16, 17, 18],
  );
});

test("ImageWorkerPool.close() ends its threads and refuses new work, and may be called twice", async () => {
  const pool = new ImageWorkerPool({ size: 1, inlineBytes: 0 });
  await pool.verify(picture(10));
  await pool.close();
  await pool.close();
  await assert.rejects(pool.verify(picture(10)), /closed/);
});
