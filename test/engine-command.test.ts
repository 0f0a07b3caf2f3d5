import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { verifyImage } from "../src/core/verify-image.ts";
import type { GenerationProgress } from "../src/kserve/generated-image.ts";
import { KServeClient, type KServeClientOptions } from "../src/kserve/kserve-client.ts";
import { EngineProcess } from "./support/engine-process.ts";
import { runCommand, TemporaryFolder } from "./support/server-process.ts";

const REQUEST = { prompt: "a red circle", width: 96, height: 64, numInferenceSteps: 2, guidanceScale: 1, seed: 5 };

// Proves: ENGINE-4
describe("mcp-image-server engine", () => {
  const home = new TemporaryFolder();
  let engine: EngineProcess;

  before(async () => {
    engine = await EngineProcess.start({ home: home.path }, ["--model-name", "tiny"]);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    home[Symbol.dispose]();
  });

  const draw = async (options: Partial<KServeClientOptions>, request: typeof REQUEST = REQUEST) => {
    await using client = new KServeClient({ endpoint: engine.url, modelName: "tiny", ...options });
    const progress: GenerationProgress[] = [];
    const image = await client.generateImage(request, { onProgress: (news) => progress.push(news) });
    return { ...image, progress };
  };

  test("is drawn with through V1 and through V2 with binary tensors, to the same bytes", async () => {
    const v1 = await draw({ protocol: "v1" });
    const v2 = await draw({ protocol: "v2" });
    assert.deepEqual(verifyImage(v1.imageData), { format: "png", width: 96, height: 64 });
    assert.equal(v1.imageData.equals(v2.imageData), true);
    assert.equal(v1.metadata.seed_report.honoured, true);
    assert.equal(v2.metadata.seed_report.honoured, true);
  });

  test("tells a client how far its picture is, step by step", async () => {
    const { progress } = await draw({ protocol: "v1" }, { ...REQUEST, numInferenceSteps: 100 });
    const steps = progress.flatMap((news) => (news.phase === "generating" && news.step !== undefined ? [news] : []));
    assert.notEqual(steps.length, 0);
    assert.equal(
      steps.every(({ totalSteps }) => totalSteps === 100),
      true,
    );
    assert.equal(
      steps.every(({ step = 0 }, i) => step > (steps[i - 1]?.step ?? -1)),
      true,
    );
  });

  test("draws several pictures for one request, each with its own seed", async () => {
    const instance = { prompt: "a red circle", num_inference_steps: 1, guidance_scale: 1 };
    const instances = [
      { ...instance, seed: 7, num_images_per_prompt: 2 },
      { ...instance, seed: 8 },
    ];
    const response = await fetch(`${engine.url}/v1/models/tiny:predict`, {
      method: "POST",
      body: JSON.stringify({ instances }),
    });
    const { predictions } = (await response.json()) as { predictions: { seed: number; image: { b64: string } }[] };
    assert.deepEqual(
      predictions.map(({ seed }) => seed),
      [7, 8, 8],
    );
    assert.notEqual(predictions[0]?.image.b64, predictions[1]?.image.b64);
    assert.equal(predictions[1]?.image.b64, predictions[2]?.image.b64);
  });

  test("answers every edge of what may be asked", async () => {
    const edges = [
      { prompt: "a red circle", width: 2048, height: 64, num_inference_steps: 1, guidance_scale: 1 },
      { prompt: "a red circle", num_inference_steps: 200, guidance_scale: 20, negative_prompt: "" },
      { prompt: "🦊👩‍👩‍👧 \u0000 ß", num_inference_steps: 1 },
      { prompt: "", num_inference_steps: 1 },
    ];
    for (const instance of edges) {
      const body = JSON.stringify({ instances: [instance] });
      const response = await fetch(`${engine.url}/v1/models/tiny:predict`, { method: "POST", body });
      assert.equal(response.status, 200, body);
      const { predictions } = (await response.json()) as { predictions: { image: { b64: string } }[] };
      const size = verifyImage(Buffer.from(predictions[0]?.image.b64 ?? "", "base64"));
      assert.deepEqual(size, { format: "png", width: instance.width ?? 256, height: instance.height ?? 256 });
    }
  });

  test("finishes what it draws when it is told to end, and takes nothing new", async () => {
    await using own = await EngineProcess.start({ home: home.path });
    const body = JSON.stringify({
      instances: [{ prompt: "a red circle", num_inference_steps: 30, guidance_scale: 1 }],
    });
    const headers = { "x-request-id": "last" };
    const job = fetch(`${own.url}/v1/models/scenes-v1:predict`, { method: "POST", body, headers });
    while (!(await fetch(`${own.url}/v1/models/scenes-v1/progress?request_id=last`)).ok);
    const stopped = own.stop("SIGTERM");
    while ((await fetch(`${own.url}/v2/health/ready`)).ok);
    const late = await fetch(`${own.url}/v1/models/scenes-v1:predict`, { method: "POST", body });
    assert.deepEqual([late.status, await late.json()], [503, { error: "The server is shutting down" }]);
    assert.equal((await job).status, 200);
    assert.equal(await stopped, 0);
  });
});

test("mcp-image-server engine exits with 78 for a folder that is no model and a port that is taken", async () => {
  using home = new TemporaryFolder();
  const noModel = await runCommand(["engine", "--port", "0", "--model", home.path], { home: home.path });
  assert.equal(noModel.exitCode, 78);
  assert.match(noModel.stderr, /model_index\.json": it does not exist/);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const taken = await runCommand(["engine", "--port", String(port)], { home: home.path });
  server.close();
  assert.equal(taken.exitCode, 78);
  assert.match(taken.stderr, new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${port}: somebody listens there already`));
  const both = await runCommand(["engine", "--socket", "/tmp/x", "--port", "1"], { home: home.path });
  assert.equal(both.exitCode, 64);
});

test(
  "mcp-image-server engine replaces a socket that a dead engine left behind",
  { skip: process.platform === "win32" },
  async () => {
    using home = new TemporaryFolder();
    const socketPath = join(home.path, "engine.sock");
    for (const end of ["SIGKILL", "SIGTERM"] as const) {
      await using engine = await EngineProcess.startOnSocket({ home: home.path }, socketPath);
      await using client = new KServeClient({ endpoint: "http://localhost", socketPath, protocol: "v1" });
      const { state } = await client.describeModel();
      assert.ok(state === "ready" || state === "not_ready", state);
      await engine.stop(end);
    }
  },
);
