import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before, describe } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { DiffusionPipeline } from "../../src/engine/diffusion-pipeline.ts";
import { createEngineServer, type EngineServer } from "../../src/engine/engine-server.ts";
import type { GenerationRequest } from "../../src/engine/generation-request.ts";
import { findNativeRuntime, findRuntime, shippedModelPath } from "../../src/engine/package-files.ts";
import { writeTinyModel, type TinyModelFamily } from "../../src/testing/tiny-models.ts";

/** With the package onnxruntime-node in the working folder: `npm run test:native` sees to that. */

const KILLS = process.env["PROVE"] === "1" ? 50 : 5;
const PREDICT = "/v1/models/scenes-v1:predict";
const LIMITS = { threads: 1, memoryMegabytes: undefined };
const NATIVE = { kind: "native", url: findNativeRuntime(), ...LIMITS } as const;
const WASM = { kind: "wasm", url: findRuntime(), ...LIMITS } as const;
/** Of 255. The shipped model's numbers are 8-bit integers, which the two runtimes round in their own ways. */
const MAX_MEAN_DIFFERENCE = 1.5;

describe("The native executor", () => {
  let server: EngineServer;
  let url = "";

  before(async () => {
    server = createEngineServer({ executor: { kind: "native", threads: 1 } });
    const address = await server.listen({ host: "127.0.0.1", port: 0 });
    await server.ready();
    url = "port" in address ? `http://127.0.0.1:${address.port}` : "";
  });
  after(() => server.close());

  const draw = async (steps: number, requestId = "job"): Promise<Response> =>
    fetch(`${url}${PREDICT}`, {
      method: "POST",
      headers: { "x-request-id": requestId },
      body: JSON.stringify({ instances: [{ prompt: "a red circle", seed: 1, num_inference_steps: steps }] }),
    });
  const untilDrawing = async (requestId: string): Promise<void> => {
    for (;;) {
      const response = await fetch(`${url}/v1/models/scenes-v1/progress?request_id=${requestId}`);
      const progress = (await response.json()) as { total_steps?: number | null };
      if (typeof progress.total_steps === "number") return;
      await delay(5);
    }
  };

  test("draws the same bytes for the same seed", async () => {
    const [first, second] = [await (await draw(4)).json(), await (await draw(4)).json()] as Prediction[];
    assert.equal(first?.predictions[0]?.image.b64, second?.predictions[0]?.image.b64);
    assert.equal(first?.predictions[0]?.scheduler, "DDIMScheduler");
  });

  test(`loses one job with each of ${KILLS} killed processes, and no server`, async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      const job = draw(200, `job-${kill}`);
      await untilDrawing(`job-${kill}`);
      for (const pid of listChildren()) process.kill(pid, "SIGKILL");
      assert.equal((await job).status, 500);
    }
    assert.equal((await draw(1)).status, 200);
    assert.equal(listChildren().length, 1);
  });

  test("ends a cancelled job at its next step, in the same process", async () => {
    const [pid] = listChildren();
    const caller = new AbortController();
    const body = JSON.stringify({ instances: [{ prompt: "a red circle", num_inference_steps: 200 }] });
    const headers = { "x-request-id": "leaving" };
    const job = fetch(`${url}${PREDICT}`, { method: "POST", headers, body, signal: caller.signal });
    await untilDrawing("leaving");
    caller.abort();
    await assert.rejects(job);
    assert.equal((await draw(1)).status, 200);
    assert.deepEqual(listChildren(), [pid]);
  });

  test("ends with its server", async () => {
    await server.close();
    assert.deepEqual(listChildren(), []);
  });
});

test("The native executor is ended when it takes more memory than it may, and that is said", async () => {
  // Node alone takes more than this, so that it is reached however small the model is.
  await using server = createEngineServer({ executor: { kind: "native", threads: 1, memoryMegabytes: 64 } });
  await server.listen({ host: "127.0.0.1", port: 0 });
  await assert.rejects(server.ready(), { code: "out_of_memory" });
});

test("A damaged model is an error, not the end of the server", async () => {
  const folder = await mkdtemp(join(tmpdir(), "engine-test-"));
  await cp(shippedModelPath(), folder, { recursive: true });
  await writeFile(join(folder, "unet", "model.onnx"), Buffer.alloc(1000, 7));
  await using server = createEngineServer({ modelPath: folder, executor: { kind: "native" } });
  await server.listen({ host: "127.0.0.1", port: 0 });
  await assert.rejects(server.ready(), { code: "configuration_invalid" });
  await rm(folder, { recursive: true });
});

test("The native executor draws the pictures of WebAssembly, within the stated tolerance", async () => {
  const [wasm, native] = [await pipeline(WASM), await pipeline(NATIVE)];
  const prompts = ["the sea at sunset with a red boat", "a red circle on a blue background"];
  for (const [seed, prompt] of prompts.entries()) {
    const request: GenerationRequest = { prompt, seed, numInferenceSteps: 20 };
    const difference = meanDifference(await pixels(wasm, request), await pixels(native, request));
    console.log(`figure: wasm and native differ by ${difference.toFixed(3)} of 255 on average: ${prompt}`);
    assert.ok(difference < MAX_MEAN_DIFFERENCE, `${difference} for "${prompt}"`);
  }
});

for (const family of ["sd15", "sdxl", "lcm"] as const satisfies readonly TinyModelFamily[]) {
  test(`The native executor draws what WebAssembly does with an export of ${family}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "engine-test-"));
    await writeTinyModel(folder, family);
    const request: GenerationRequest = { prompt: "a fox", seed: 1, width: 64, height: 64, numInferenceSteps: 2 };
    const drawn = await Promise.all(
      [WASM, NATIVE].map(async (runtime) => pixels(await pipeline(runtime, folder), request)),
    );
    const [wasm = new Uint8Array(), native = new Uint8Array()] = drawn;
    const largest = Math.max(...wasm.map((value, i) => Math.abs(value - (native[i] ?? -255))));
    assert.ok(largest <= 1, `pixels differ by ${largest}`);
    await rm(folder, { recursive: true });
  });
}

interface Prediction {
  readonly predictions: readonly { readonly image: { readonly b64: string }; readonly scheduler: string }[];
}

async function pipeline(runtime: typeof WASM | typeof NATIVE, folder = shippedModelPath()): Promise<DiffusionPipeline> {
  return DiffusionPipeline.load(folder, runtime);
}

async function pixels(from: DiffusionPipeline, request: GenerationRequest): Promise<Uint8Array> {
  return (await from.generate(request, () => undefined)).image.rgb;
}

function meanDifference(left: Uint8Array, right: Uint8Array): number {
  return left.reduce((sum, value, i) => sum + Math.abs(value - (right[i] ?? 0)), 0) / left.length;
}

/** Process ids of the engine's processes. */
function listChildren(): number[] {
  const lines = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)], { encoding: "utf8" });
  return lines.split("\n").flatMap((line) => (line.includes("engine-process") ? [Number.parseInt(line, 10)] : []));
}
