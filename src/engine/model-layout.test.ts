import assert from "node:assert/strict";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test, { after } from "node:test";
import { ConfigurationError } from "../core/errors.ts";
import { loadModelLayout } from "./model-layout.ts";
import { shippedModelPath } from "./package-files.ts";

const folder = await mkdtemp(join(tmpdir(), "engine-test-"));
after(() => rm(folder, { recursive: true }));
await cp(shippedModelPath(), folder, { recursive: true, filter: (path) => !path.endsWith(".onnx") });

test("loadModelLayout() reads the shipped model", async () => {
  const trainedSizes = [
    { width: 8, height: 8 },
    { width: 10, height: 8 },
    { width: 12, height: 8 },
    { width: 14, height: 8 },
    { width: 8, height: 10 },
    { width: 8, height: 12 },
    { width: 8, height: 14 },
  ];
  const { name, kind, latents, encoders, skipUnknownWords, defaults } = await loadModelLayout(shippedModelPath());
  assert.deepEqual(
    { name, kind, latents, promptLength: encoders[0]?.promptLength, skipUnknownWords, defaults },
    {
      name: "scenes-v1",
      kind: "sd",
      latents: { channels: 16, nativeSide: 8, pixelsPerLatent: 32, scalingFactor: 1, shiftFactor: 0, trainedSizes },
      promptLength: 24,
      skipUnknownWords: false,
      defaults: { numInferenceSteps: 20, guidanceScale: 4, guidanceRescale: 0.7 },
    },
  );
});

test("loadModelLayout() reads an export of Stable Diffusion 1.5, which has no generation_config.json", async () => {
  const exported = await mkdtemp(join(tmpdir(), "engine-test-"));
  await cp(folder, exported, { recursive: true, filter: (path) => !path.endsWith("generation_config.json") });
  await writeJson(join(exported, "model_index.json"), { _class_name: "ORTStableDiffusionPipeline" });
  await writeJson(join(exported, "unet", "config.json"), { sample_size: 64, in_channels: 4 });
  await writeJson(join(exported, "vae_decoder", "config.json"), { block_out_channels: [128, 256, 512, 512] });
  await writeJson(join(exported, "text_encoder", "config.json"), { max_position_embeddings: 77 });
  const { name, latents, encoders, defaults } = await loadModelLayout(exported);
  assert.deepEqual(
    { name, latents, promptLength: encoders[0]?.promptLength, defaults },
    {
      name: basename(exported),
      latents: {
        channels: 4,
        nativeSide: 64,
        pixelsPerLatent: 8,
        scalingFactor: 0.18215,
        shiftFactor: 0,
        trainedSizes: [],
      },
      promptLength: 77,
      defaults: { numInferenceSteps: 50, guidanceScale: 7.5, guidanceRescale: 0 },
    },
  );
  await rm(exported, { recursive: true });
});

test("loadModelLayout() says what of the folder cannot be used", async () => {
  const refused = async (file: string, content: object | string, message: RegExp): Promise<void> => {
    const broken = await mkdtemp(join(tmpdir(), "engine-test-"));
    await cp(folder, broken, { recursive: true });
    await writeFile(join(broken, file), typeof content === "string" ? content : JSON.stringify(content));
    await assert.rejects(loadModelLayout(broken), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, message);
      return true;
    });
    await rm(broken, { recursive: true });
  };
  await refused("model_index.json", "{", /model_index\.json": it is not readable JSON$/);
  await refused("model_index.json", "[]", /model_index\.json": it is not a JSON object$/);
  await refused("model_index.json", {}, /"_class_name" must be a text, found nothing$/);
  await refused(
    "model_index.json",
    { _class_name: "FluxPipeline" },
    /it is a FluxPipeline; supported: StableDiffusionPipeline, Latent/,
  );
  await refused(
    "unet/config.json",
    { sample_size: "8" },
    /unet\/config\.json": "sample_size" must be a number, found "8"$/,
  );
  await refused("vae_decoder/config.json", {}, /vae_decoder\/config\.json": "scale" must be a number, found nothing$/);
});

async function writeJson(path: string, value: object): Promise<void> {
  await writeFile(path, JSON.stringify(value));
}
