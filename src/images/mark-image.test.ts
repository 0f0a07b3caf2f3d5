import assert from "node:assert/strict";
import { test } from "node:test";
import { createPngChunk, encodePng, readPngChunks } from "../core/png.ts";
import { verifyImage } from "../core/verify-image.ts";
import { GrowingBuffer } from "../wire/growing-buffer.ts";
import { readPngTexts } from "../core/png-text.ts";
import { markPng, parametersText, type ImageMark } from "./mark-image.ts";

const mark: ImageMark = {
  prompt: "a red circle, 東京 🎈",
  negativePrompt: "blurry",
  numInferenceSteps: 20,
  guidanceScale: 7.5,
  seed: 42,
  width: 2,
  height: 1,
  modelName: "scenes-v1",
};

const plain = encodePng({ width: 2, height: 1, rgb: Uint8Array.of(255, 0, 0, 0, 0, 255) });

test("parametersText() writes prompt, negative prompt and settings as Stable Diffusion tools read them", () => {
  assert.equal(
    parametersText(mark),
    "a red circle, 東京 🎈\nNegative prompt: blurry\n" +
      "Steps: 20, CFG scale: 7.5, Seed: 42, Size: 2x1, Model: scenes-v1, Version: mcp-image-server",
  );
});

test("parametersText() leaves out what was not given", () => {
  assert.equal(
    parametersText({ ...mark, negativePrompt: undefined, numInferenceSteps: undefined, guidanceScale: undefined }),
    "a red circle, 東京 🎈\nSeed: 42, Size: 2x1, Model: scenes-v1, Version: mcp-image-server",
  );
});

test("markPng() leaves a signed picture as it is", () => {
  const signed = Buffer.concat([
    plain.subarray(0, 33),
    createPngChunk("caBX", Buffer.from("jumb")),
    plain.subarray(33),
  ]);
  assert.equal(markPng(signed, mark), signed);
});

test("markPng() splices text chunks behind the header and leaves the pixels as they are", () => {
  const marked = markPng(plain, mark);
  assert.deepEqual(verifyImage(marked), { format: "png", width: 2, height: 1 });
  const chunks = readPngChunks(marked);
  assert.deepEqual(
    chunks.map(({ type }) => type),
    ["IHDR", "iTXt", "tEXt", "iTXt", "IDAT", "IEND"],
  );
  const texts = readPngTexts(marked);
  assert.equal(texts.get("parameters"), parametersText(mark));
  assert.deepEqual(JSON.parse(texts.get("invokeai_metadata") ?? ""), {
    generation_mode: "txt2img",
    positive_prompt: "a red circle, 東京 🎈",
    negative_prompt: "blurry",
    width: 2,
    height: 1,
    seed: 42,
    cfg_scale: 7.5,
    steps: 20,
    model: { name: "scenes-v1" },
    app_version: "mcp-image-server",
  });
  assert.match(texts.get("XML:com.adobe.xmp") ?? "", /digitalsourcetype\/trainedAlgorithmicMedia"/);
  assert.ok(marked.subarray(chunks[4]?.start).equals(plain.subarray(33)));
});

test("markPng() gives equal bytes for equal requests", () => {
  assert.ok(markPng(plain, mark).equals(markPng(plain, mark)));
});

test("markPng() gives the same bytes in memory on loan, and copies no pixels", () => {
  for (const headroomBytes of [0, 16 * 1024]) {
    const memory = new GrowingBuffer({ initialBytes: 64 * 1024, headroomBytes });
    memory.append(plain);
    const before = memory.bytes.buffer;
    const marked = markPng(memory.bytes, mark, memory);
    assert.ok(marked.equals(markPng(plain, mark)));
    assert.equal(marked.buffer === before, headroomBytes > 0);
  }
});

test("markPng() leaves both prompts out when it is told to, and nothing else", () => {
  const marked = markPng(plain, { ...mark, prompt: undefined });
  assert.equal(marked.includes("circle"), false);
  assert.equal(marked.includes("blurry"), false);
  assert.match(readPngTexts(marked).get("parameters") ?? "", /^Steps: 20, .*Seed: 42/);
});

test("markPng() writes Latin-1 as tEXt, which every reader knows", () => {
  const marked = markPng(plain, { ...mark, prompt: "ein Kätzchen" });
  assert.deepEqual(
    readPngChunks(marked).map(({ type }) => type),
    ["IHDR", "tEXt", "tEXt", "iTXt", "IDAT", "IEND"],
  );
  assert.match(readPngTexts(marked).get("parameters") ?? "", /^ein Kätzchen\n/);
});
