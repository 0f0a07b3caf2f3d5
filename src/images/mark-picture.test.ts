import assert from "node:assert/strict";
import { describe, test } from "node:test";
import sharp, { type Sharp } from "sharp";
import { verifyImage } from "../core/verify-image.ts";
import { markPicture, parametersText, type ImageMark } from "./mark-image.ts";
import { readStory } from "./read-mark.ts";

const mark: ImageMark = {
  prompt: "a red circle, 東京 🎈",
  negativePrompt: "blurry",
  numInferenceSteps: 20,
  guidanceScale: 7.5,
  seed: 42,
  width: 33,
  height: 17,
  modelName: "scenes-v1",
};
const STORY = {
  settings: {
    prompt: mark.prompt,
    negative_prompt: "blurry",
    width: 33,
    height: 17,
    num_inference_steps: 20,
    guidance_scale: 7.5,
    seed: 42,
  },
  modelName: "scenes-v1",
  software: "mcp-image-server",
  digitalSourceType: "trainedAlgorithmicMedia",
};

const draw = (channels: 3 | 4): Sharp =>
  sharp({ create: { width: 33, height: 17, channels, background: { r: 200, g: 30, b: 60, alpha: 0.5 } } });

const FORMS: Readonly<Record<string, () => Promise<Buffer>>> = {
  "a JPEG": async () => draw(3).jpeg().toBuffer(),
  "a progressive JPEG": async () => draw(3).jpeg({ progressive: true }).toBuffer(),
  "a lossy WebP": async () => draw(3).webp().toBuffer(),
  "a lossless WebP": async () => draw(3).webp({ lossless: true }).toBuffer(),
  "a lossless WebP with transparency": async () => draw(4).webp({ lossless: true }).toBuffer(),
  "a lossy WebP with transparency": async () => draw(4).webp().toBuffer(),
};

describe("markPicture()", () => {
  for (const [form, create] of Object.entries(FORMS)) {
    test(`lets ${form} tell its making, to other programs too, and leaves its pixels as they are`, async () => {
      const plain = await create();
      const { format } = verifyImage(plain);
      const marked = markPicture(format, plain, mark);
      assert.deepEqual(verifyImage(marked), { format, width: 33, height: 17 });
      assert.deepEqual(readStory(marked, format), STORY);
      assert.deepEqual(await pixelsOf(marked), await pixelsOf(plain));

      const { exif, xmp, hasAlpha, width, height } = await sharp(marked).metadata();
      assert.deepEqual([width, height, hasAlpha], [33, 17, form.includes("transparency")]);
      const comment = Buffer.from(parametersText(mark), "utf16le").swap16();
      assert.equal(exif?.includes(comment), true);
      assert.match(String(xmp), /digitalsourcetype\/trainedAlgorithmicMedia"/);
      assert.equal(readStory(plain, format), undefined);
    });

    test(`adds nothing to ${form} that was marked before`, async () => {
      const plain = await create();
      const { format } = verifyImage(plain);
      const once = markPicture(format, plain, mark);
      assert.deepEqual(markPicture(format, once, { ...mark, prompt: "another" }), once);
    });
  }

  test("leaves what is signed as it is", async () => {
    const jpeg = await draw(3).jpeg().toBuffer();
    const box = Buffer.from([0xff, 0xeb, 0, 4, 0x4a, 0x50]);
    const signed = Buffer.concat([jpeg.subarray(0, 2), box, jpeg.subarray(2)]);
    assert.equal(markPicture("jpeg", signed, mark), signed);
    const webp = markPicture("webp", await draw(3).webp().toBuffer(), mark);
    const chunk = Buffer.from("C2PA\x02\0\0\0xx", "latin1");
    const sealed = Buffer.concat([webp, chunk]);
    sealed.writeUInt32LE(sealed.length - 8, 4);
    assert.equal(markPicture("webp", sealed, { ...mark, seed: 1 }), sealed);
  });

  test("leaves out a story that no segment of a JPEG can hold, and says where it comes from all the same", async () => {
    const plain = await draw(3).jpeg().toBuffer();
    const marked = markPicture("jpeg", plain, { ...mark, prompt: "🎈".repeat(20_000) });
    assert.deepEqual(verifyImage(marked), { format: "jpeg", width: 33, height: 17 });
    assert.deepEqual(readStory(marked, "jpeg"), {
      settings: {},
      modelName: undefined,
      software: undefined,
      digitalSourceType: "trainedAlgorithmicMedia",
    });
  });

  test("tells no prompt that it does not know", async () => {
    const marked = markPicture("webp", await draw(3).webp().toBuffer(), { ...mark, prompt: undefined });
    assert.equal(readStory(marked, "webp")?.settings["prompt"], undefined);
    assert.equal(readStory(marked, "webp")?.settings["seed"], 42);
  });
});

async function pixelsOf(picture: Buffer): Promise<Buffer> {
  return sharp(picture).raw().toBuffer();
}
