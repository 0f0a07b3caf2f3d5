import assert from "node:assert/strict";
import { describe, it } from "node:test";
import sharp from "sharp";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { drawTestPicture } from "../testing/test-picture.ts";
import { markPng } from "./mark-image.ts";
import { PictureConverter } from "./picture-converter.ts";

const PICTURE = drawTestPicture({ prompt: "a cat", width: 640, height: 320 });
const THUMBNAIL = { longestEdge: 128, format: "webp" } as const;

describe("PictureConverter.convert()", () => {
  it("makes a picture smaller with its proportions kept, in each format", async () => {
    const converter = new PictureConverter();
    for (const format of ["webp", "jpeg", "png"] as const) {
      const made = await converter.convert(async () => PICTURE, { longestEdge: 128, format });
      const { width, height, format: found } = await sharp(made).metadata();
      assert.deepEqual([width, height, found], [128, 64, format]);
    }
  });

  it("never makes a picture larger, and keeps its size when none is given", async () => {
    const converter = new PictureConverter();
    for (const longestEdge of [1024, undefined]) {
      const { width, height } = await sharp(
        await converter.convert(async () => PICTURE, { longestEdge, format: "webp" }),
      ).metadata();
      assert.deepEqual([width, height], [640, 320]);
    }
  });

  it("keeps the mark that says the picture was made by a model, and leaves the prompt out", async () => {
    const mark = {
      prompt: "a secret cat",
      negativePrompt: undefined,
      seed: 1,
      width: 640,
      height: 320,
      modelName: "m",
    };
    const marked = markPng(PICTURE, { ...mark, numInferenceSteps: undefined, guidanceScale: undefined });
    const made = await new PictureConverter().convert(async () => marked, THUMBNAIL);
    assert.match(String(made), /trainedAlgorithmicMedia/);
    assert.doesNotMatch(String(made), /secret/);
  });

  it("gives undefined when the picture is gone by its turn", async () => {
    assert.equal(await new PictureConverter().convert(async () => undefined, THUMBNAIL), undefined);
  });

  it("says thumbnail_failed for bytes that are no picture, and goes on with the next", async () => {
    const converter = new PictureConverter({ concurrency: 1 });
    const damaged = PICTURE.subarray(0, PICTURE.length / 2);
    for (const imageData of [Buffer.from("no picture"), damaged, Buffer.from("<svg xmlns='http://x'/>")]) {
      await assert.rejects(
        converter.convert(async () => imageData, THUMBNAIL),
        isErrorWithCode("thumbnail_failed"),
      );
    }
    assert.notEqual(await converter.convert(async () => PICTURE, THUMBNAIL), undefined);
  });

  it("refuses a small file that names a huge picture", async () => {
    const huge = await sharp({
      create: { width: 9_000, height: 8_000, channels: 3, background: "white" },
      limitInputPixels: false,
    })
      .png({ palette: true })
      .toBuffer();
    assert.ok(huge.length < 1_000_000);
    await assert.rejects(
      new PictureConverter().convert(async () => huge, THUMBNAIL),
      isErrorWithCode("thumbnail_failed"),
    );
  });

  it("says thumbnails_unavailable without sharp, and tries again when asked again", async () => {
    let isInstalled = false;
    const converter = new PictureConverter({
      loadSharp: async () => {
        if (!isInstalled) throw new Error("Cannot find package 'sharp'");
        return sharp;
      },
    });
    await assert.rejects(
      converter.convert(async () => PICTURE, THUMBNAIL),
      isErrorWithCode("thumbnails_unavailable"),
    );
    isInstalled = true;
    assert.notEqual(await converter.convert(async () => PICTURE, THUMBNAIL), undefined);
  });

  it("runs two at a time, loads no picture before its turn, and says thumbnails_busy when too many wait", async () => {
    const loads: (() => void)[] = [];
    const converter = new PictureConverter({ depth: 3, loadSharp: async () => sharp });
    const load = async (): Promise<Buffer> => new Promise((resolve) => loads.push(() => resolve(PICTURE)));
    const conversions = Array.from({ length: 5 }, async () => converter.convert(load, THUMBNAIL));
    await assert.rejects(converter.convert(load, THUMBNAIL), isErrorWithCode("thumbnails_busy"));
    assert.equal(loads.length, 2);
    for (let done = 0; done < 5; done++) {
      loads[done]?.();
      await conversions[done];
      await new Promise(setImmediate); // the turn goes on to the next
      assert.equal(loads.length, Math.min(5, done + 3));
    }
    assert.equal(
      (await Promise.all(conversions)).every((made) => Buffer.isBuffer(made)),
      true,
    );
  });
});
