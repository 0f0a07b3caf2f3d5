import assert from "node:assert/strict";
import { readdirSync, readFileSync, unlinkSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, test } from "node:test";
import { FakeModelHub } from "../src/testing/fake-model-hub.ts";
import { writeTinyModel } from "../src/testing/tiny-models.ts";
import { runCommand, TemporaryFolder } from "./support/server-process.ts";

// Proves: ENGINE-6
describe("mcp-image-server models", () => {
  test("list marks the model that is drawn with, info describes it", async () => {
    using home = new TemporaryFolder();
    const settings = { MODEL_PATH: join(home.path, "mine") };
    await writeTinyModel(settings.MODEL_PATH, "sdxl-turbo");
    const list = await runCommand(["models", "list"], { home: home.path, settings });
    assert.match(list.stdout, /^ {2}scenes-v1 {2}sd {2}\d+(?:\.\d)? MB {2}.+\n\* mine {2}sdxl {2}.+\n$/);
    const info = await runCommand(["models", "info", "--json"], { home: home.path, settings });
    const { folder, size_bytes: size, ...facts } = JSON.parse(info.stdout);
    assert.deepEqual([folder, typeof size], [settings.MODEL_PATH, "number"]);
    assert.deepEqual(facts, {
      name: "mine",
      kind: "sdxl",
      scheduler: "EulerAncestralDiscreteScheduler",
      native_pixels: 512,
      prompt_tokens: 77,
      num_inference_steps: 4,
      guidance_scale: 1,
    });
    const unknown = await runCommand(["models", "info", home.path], { home: home.path });
    assert.deepEqual([unknown.exitCode, /model_index\.json": it does not exist/.test(unknown.stderr)], [78, true]);
  });

  test("check loads a model, draws a step, and exits with 78 for one that cannot be loaded", async () => {
    using home = new TemporaryFolder();
    const good = join(home.path, "good");
    await writeTinyModel(good, "sd-turbo");
    // More threads than WebAssembly has are no fault.
    const settings = { ENGINE_THREADS: "4" };
    const checked = await runCommand(["models", "check", good], { home: home.path, settings });
    assert.equal(checked.exitCode, 0, checked.stderr);
    assert.match(
      checked.stdout,
      /^ok {4}layout: sd, EulerDiscreteScheduler.*\nok {4}loads in .*\nok {4}draws 512x512: /,
    );
    const damaged = join(home.path, "damaged");
    await writeTinyModel(damaged, "sdxl");
    unlinkSync(join(damaged, "text_encoder_2", "model.onnx"));
    const refused = await runCommand(["models", "check", damaged], { home: home.path });
    assert.equal(refused.exitCode, 78);
    assert.match(refused.stderr, /text_encoder_2.model\.onnx": it does not exist/);
  });

  test("pull fetches a model into the data folder, where list finds it, and says what to do next", async () => {
    using home = new TemporaryFolder();
    const source = join(home.path, "source");
    await writeTinyModel(source, "lcm");
    await using hub = await new FakeModelHub(readFiles(source)).listen();
    const settings = { XDG_DATA_HOME: join(home.path, "data") };
    const pulled = await runCommand(["models", "pull", `${hub.url}/owner/name`], { home: home.path, settings });
    const folder = join(settings.XDG_DATA_HOME, "mcp-image-server", "models", "name");
    assert.deepEqual([pulled.exitCode, pulled.stdout], [0, `${folder}\n`], pulled.stderr);
    assert.match(pulled.stderr, /MODEL_PATH=".+name" mcp-image-server generate/);
    const list = await runCommand(["models", "list"], { home: home.path, settings });
    assert.match(list.stdout, /^ {2}name {2}lcm /m);
    const again = await runCommand(["models", "pull", `${hub.url}/owner/name`], { home: home.path, settings });
    assert.deepEqual([again.exitCode, /exists already/.test(again.stderr)], [73, true]);
  });

  test("pull says clearly that there is no network, and what an address looks like", async () => {
    using home = new TemporaryFolder();
    const address = "https://hub.invalid/owner/name";
    const offline = await runCommand(["models", "pull", address], { home: home.path });
    assert.equal(offline.exitCode, 69);
    assert.match(offline.stderr, /Cannot reach hub\.invalid.*without a network, copy the folder/);
    const wrong = await runCommand(["models", "pull", "owner/name"], { home: home.path });
    assert.deepEqual([wrong.exitCode, /looks like https:\/\/hub\.example/.test(wrong.stderr)], [64, true]);
  });
});

function readFiles(folder: string): Record<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path)]));
}
