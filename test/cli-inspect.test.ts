import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import sharp from "sharp";
import { encodePng } from "../src/core/png.ts";
import { markPicture, markPng } from "../src/images/mark-image.ts";
import { runCommand, TemporaryFolder } from "./support/server-process.ts";

const PLAIN = encodePng({ width: 64, height: 64, rgb: new Uint8Array(64 * 64 * 3) });
const FACTS = {
  negativePrompt: "text",
  numInferenceSteps: 2,
  guidanceScale: 7.5,
  seed: 9,
  width: 64,
  height: 64,
  modelName: "scenes-v1",
};

describe("mcp-image-server inspect", () => {
  test("prints what a picture tells of its making", async () => {
    using home = new TemporaryFolder();
    const file = join(home.path, "picture.png");
    writeFileSync(file, markPng(PLAIN, { ...FACTS, prompt: "a blue circle" }));
    const json = JSON.parse((await runCommand(["inspect", file, "--json"], { home: home.path })).stdout);
    assert.deepEqual(json, {
      file,
      format: "png",
      width: 64,
      height: 64,
      size: readFileSync(file).length,
      prompt: "a blue circle",
      negative_prompt: "text",
      num_inference_steps: 2,
      guidance_scale: 7.5,
      seed: 9,
      model_name: "scenes-v1",
      software: "mcp-image-server",
      digital_source_type: "trainedAlgorithmicMedia",
      c2pa: "none",
    });
    const lines = (await runCommand(["inspect", file], { home: home.path })).stdout.split("\n");
    assert.ok(lines.includes("prompt: a blue circle"));
    assert.ok(lines.includes("seed: 9"));
  });

  test("prints it of a JPEG and of a WebP as well", async () => {
    using home = new TemporaryFolder();
    for (const format of ["jpeg", "webp"] as const) {
      const file = join(home.path, `picture.${format}`);
      const picture = await sharp(PLAIN).toFormat(format).toBuffer();
      writeFileSync(file, markPicture(format, picture, { ...FACTS, prompt: "a blue circle" }));
      const json = JSON.parse((await runCommand(["inspect", file, "--json"], { home: home.path })).stdout);
      assert.partialDeepStrictEqual(json, { format, prompt: "a blue circle", seed: 9, software: "mcp-image-server" });
    }
  });

  test("says what is wrong with a file, and when a picture does not tell its prompt", async () => {
    using home = new TemporaryFolder();
    const { path } = home;
    const missing = await runCommand(["inspect", join(path, "none.png")], { home: path });
    assert.equal(missing.exitCode, 64);
    assert.match(missing.stderr, /none\.png": there is no such file/);
    const text = join(path, "text.png");
    writeFileSync(text, "hello");
    assert.match((await runCommand(["inspect", text], { home: path })).stderr, /it is not PNG, JPEG or WebP/);
    const broken = join(path, "broken.png");
    writeFileSync(broken, PLAIN.subarray(0, -1));
    for (const command of [
      ["inspect", broken],
      ["generate", "--from", broken],
    ]) {
      const { exitCode, stderr } = await runCommand(command, { home: path });
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /The picture is damaged/);
    }
    const silent = join(path, "silent.png");
    writeFileSync(silent, markPng(PLAIN, { ...FACTS, prompt: undefined }));
    assert.match((await runCommand(["inspect", silent], { home: path })).stdout, /does not tell its prompt\.\n$/);
    const repeated = await runCommand(["generate", "--from", silent], { home: path });
    assert.match(repeated.stderr, /does not tell its prompt/);
  });
});

test("mcp-image-server generate --from draws the same bytes again", async () => {
  using home = new TemporaryFolder();
  const [first, second] = [join(home.path, "first.png"), join(home.path, "second.png")];
  const settings = ["--width", "64", "--height", "64", "--steps", "1", "--seed", "9", "-n", "text"];
  const made = await runCommand(["generate", "a red circle", ...settings, "-o", first], { home: home.path });
  assert.equal(made.exitCode, 0, made.stderr);
  const again = await runCommand(["generate", "--from", first, "-o", second], { home: home.path });
  assert.equal(again.exitCode, 0, again.stderr);
  assert.ok(readFileSync(first).equals(readFileSync(second)));
});
