import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { encodePng } from "../core/png.ts";
import { verifyImage } from "../core/verify-image.ts";
import { ImageWorkerPool } from "./image-worker-pool.ts";

/** An answer of V1 whose picture is a list of rows of pixels. */
function toAnswer(width: number, height: number, rgb: Uint8Array): Buffer {
  const rows = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (__, x) => [...rgb.subarray((y * width + x) * 3, (y * width + x + 1) * 3)]),
  );
  return Buffer.from(JSON.stringify({ predictions: [rows], seed: 5 }));
}

test("ImageWorkerPool.readAnswer() gives the pixels of an answer as a PNG, with what stands beside them", async () => {
  await using pool = new ImageWorkerPool({ size: 1 });
  const rgb = randomBytes(30 * 20 * 3);
  const answer = await pool.readAnswer(toAnswer(30, 20, rgb), {});
  assert.deepEqual(answer.kind === "picture" && answer.imageData, encodePng({ width: 30, height: 20, rgb }));
  assert.equal(answer.kind === "picture" && answer.report["seed"], 5);
});

test("ImageWorkerPool.readAnswer() gives a picture, and tells an answer without one", async () => {
  await using pool = new ImageWorkerPool({ size: 1 });
  const file = encodePng({ width: 2, height: 1, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6) });
  const picture = await pool.readAnswer(Buffer.from(JSON.stringify([file.toString("base64")])), {});
  assert.deepEqual(picture.kind === "picture" && picture.imageData, file);
  assert.deepEqual(await pool.readAnswer(Buffer.from('{"error":"out of memory"}'), {}), {
    kind: "error",
    text: "out of memory",
  });
  assert.deepEqual(await pool.readAnswer(Buffer.from('{"predictions":['), {}), { kind: "cut_off" });
});

test("ImageWorkerPool.readAnswer() leaves the neighbours of a slice alone", async () => {
  await using pool = new ImageWorkerPool({ size: 1 });
  const text = Buffer.from('{"error":"no"}');
  const shared = Buffer.concat([text, Buffer.alloc(text.length * 4, 7)]);
  await pool.readAnswer(shared.subarray(0, text.length), {});
  assert.equal(shared.length, text.length * 5);
  assert.equal(shared.at(-1), 7);
});

test("ImageWorkerPool runs more answers than it has threads", async () => {
  await using pool = new ImageWorkerPool({ size: 2 });
  const answers = await Promise.all(
    Array.from({ length: 9 }, async (_, i) => pool.readAnswer(toAnswer(i + 10, 5, randomBytes((i + 10) * 15)), {})),
  );
  assert.deepEqual(
    answers.map((answer) => answer.kind === "picture" && verifyImage(answer.imageData).width),
    [10, 11, 12, 13, 14, 15, 16, 17, 18],
  );
});

test("ImageWorkerPool.readAnswer() fails when its thread dies, and another thread reads the next answer", async () => {
  await using pool = new ImageWorkerPool({ size: 1 });
  // No server's answer breaks the reader: what does is a type that no caller of ours can give.
  const dying = pool.readAnswer(Buffer.from("event: x"), JSON.parse('{"contentType":5}'));
  await assert.rejects(dying, { code: "internal" });
  assert.deepEqual(await pool.readAnswer(Buffer.from('{"error":"no"}'), {}), { kind: "error", text: "no" });
});

test("ImageWorkerPool.close() ends its threads and refuses new work, and may be called twice", async () => {
  const pool = new ImageWorkerPool({ size: 1 });
  await pool.readAnswer(Buffer.from("{}"), {});
  await pool.close();
  await pool.close();
  await assert.rejects(pool.readAnswer(Buffer.from("{}"), {}), /closed/);
});
