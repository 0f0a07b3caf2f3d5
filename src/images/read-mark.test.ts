import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { describe, test } from "node:test";
import { createPngChunk, encodePng } from "../core/png.ts";
import { createPngText, readPngTexts } from "../core/png-text.ts";
import { verifyImage } from "../core/verify-image.ts";
import { markPng } from "./mark-image.ts";
import { readStory } from "./read-mark.ts";

const plain = encodePng({ width: 2, height: 1, rgb: Uint8Array.of(255, 0, 0, 0, 0, 255) });
const withChunks = (...chunks: Buffer[]): Buffer =>
  Buffer.concat([plain.subarray(0, 33), ...chunks, plain.subarray(33)]);

describe("readStory()", () => {
  test("gives back what markPng() wrote, even a prompt that looks like its own end", () => {
    for (const prompt of ["a fox", "東京 🎈", "a\nNegative prompt: b\nSteps: 1, Seed: 2, Size: 3x4"]) {
      const facts = {
        negativePrompt: "x, y: z",
        numInferenceSteps: 20,
        guidanceScale: 7.5,
        seed: 42,
        width: 2,
        height: 1,
      };
      assert.deepEqual(readStory(markPng(plain, { ...facts, prompt, modelName: "sd, xl" }), "png"), {
        settings: {
          prompt,
          negative_prompt: "x, y: z",
          width: 2,
          height: 1,
          num_inference_steps: 20,
          guidance_scale: 7.5,
          seed: 42,
        },
        modelName: "sd, xl",
        software: "mcp-image-server",
        digitalSourceType: "trainedAlgorithmicMedia",
      });
    }
  });

  test("reads what Stable Diffusion web UI writes", () => {
    const text =
      "a fox,\n(forest:1.2)\nNegative prompt: text,\nblurry\n" +
      'Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x768, Model hash: 45dee52b, Model: "a, b", Version: v1.10.1';
    assert.deepEqual(readStory(withChunks(createPngText("parameters", text)), "png"), {
      settings: {
        prompt: "a fox,\n(forest:1.2)",
        negative_prompt: "text,\nblurry",
        width: 512,
        height: 768,
        num_inference_steps: 20,
        guidance_scale: 7,
        seed: 965_400_086,
      },
      modelName: "a, b",
      software: "v1.10.1",
      digitalSourceType: undefined,
    });
    assert.deepEqual(readStory(withChunks(createPngText("parameters", "only a prompt, Seed: 7")), "png")?.settings, {
      prompt: "only a prompt, Seed: 7",
    });
  });

  test("gives undefined for a picture without a story, and survives texts that do not read", () => {
    assert.equal(readStory(plain, "png"), undefined);
    assert.equal(readStory(withChunks(createPngText("invokeai_metadata", "{")), "png"), undefined);
    assert.deepEqual(readStory(withChunks(createPngText("parameters", "")), "png")?.settings, {});
  });

  test("leaves it to its caller to verify the picture, which is done once", () => {
    const marked = withChunks(createPngText("parameters", "a fox"));
    const damaged = Buffer.from(marked);
    damaged[damaged.length - 20] = (damaged.at(-20) ?? 0) ^ 1;
    assert.throws(() => verifyImage(damaged), { code: "image_invalid" });
    assert.equal(readStory(damaged, "png")?.settings["prompt"], "a fox");
  });
});

test("readPngTexts() reads compressed texts, and leaves out what does not read or is too large", () => {
  const zip = (text: string): Buffer => deflateSync(Buffer.from(text, "latin1"));
  const chunk = (type: string, head: string, data: Buffer): Buffer =>
    createPngChunk(type, Buffer.concat([Buffer.from(head, "latin1"), data]));
  const texts = readPngTexts(
    withChunks(
      chunk("zTXt", "a\0\0", zip("zipped")),
      chunk("iTXt", "b\0\x01\0en\0word\0", deflateSync("zipped 東京")),
      chunk("zTXt", "bomb\0\0", zip("x".repeat(2_000_000))),
      chunk("zTXt", "broken\0\0", Buffer.from("no zlib")),
      chunk("iTXt", "short\0\0", Buffer.alloc(0)),
      chunk("tEXt", "\0no keyword", Buffer.alloc(0)),
      chunk("tEXt", "a\0second", Buffer.alloc(0)),
    ),
  );
  assert.deepEqual(
    [...texts],
    [
      ["a", "zipped"],
      ["b", "zipped 東京"],
    ],
  );
});
