import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  createKServeV2Face,
  createMlServerFace,
  createOvmsFace,
  createTritonFace,
  createVllmOmniFace,
  type FakeFace,
} from "../../testing/fake-faces.ts";
import { HOP_ANSWERS } from "../../testing/hop-answers.ts";
import { createKServeBench, failureOf } from "../../testing/kserve-bench.ts";
import { createProtocolBench, requestsOf } from "../../testing/protocol-bench.ts";
import { drawTestPicture } from "../../testing/test-picture.ts";

const AUTO = { protocol: "auto" } as const;

suite("KServeClient, the protocol found out", () => {
  const found: [string, FakeFace | undefined, string[]][] = [
    [
      "V1 for KServe's server with a model that describes nothing",
      undefined,
      ["GET /v1/models", "GET /v2/models/model", "GET /v1/models/model", "POST /v1/models/model:predict"],
    ],
    [
      "V2 for KServe's server with a model that describes its tensors",
      createKServeV2Face({ output: "base64" }),
      ["GET /v1/models", "GET /v2/models/model", "GET /v2/models/model/ready", "POST /v2/models/model/infer"],
    ],
    [
      "OpenAI's for vLLM-Omni",
      createVllmOmniFace(),
      ["GET /v1/models", "GET /v1/models", "POST /v1/images/generations"],
    ],
    [
      "OpenAI's for OpenVINO Model Server",
      createOvmsFace(),
      ["GET /v1/models", "GET /v1/models", "POST /v1/images/generations"],
    ],
  ];
  for (const [title, face, requests] of found) {
    test(`is ${title}, by GET alone and once`, async () => {
      await using bench = await createKServeBench({ ...AUTO, maxRetries: 0 }, face ? { face } : {});
      const image = await bench.generate({ seed: 5 });
      assert.deepEqual(image.imageData, drawTestPicture({ prompt: "a red fox", width: 64, height: 64, seed: 5 }));
      assert.deepEqual(requestsOf(bench), requests);
      await bench.generate();
      assert.deepEqual(requestsOf(bench), [...requests, requests.at(-1)]);
    });
  }

  const named: [string, FakeFace, string][] = [
    ["Triton", createTritonFace({ output: "pixels" }), "stable_diffusion"],
    ["MLServer", createMlServerFace({ output: "pixels" }), "dalle"],
  ];
  for (const [title, face, modelName] of named) {
    test(`is V2 for ${title}, by GET alone and once`, async () => {
      await using bench = await createProtocolBench(face, { modelName });
      const expected = ["/v1/models", "/v2", `/v2/models/${modelName}`, `/v2/models/${modelName}/ready`];
      await bench.generate();
      const gets = expected.map((path) => `GET ${path}`);
      const post = `POST /v2/models/${modelName}/infer`;
      assert.deepEqual(requestsOf(bench), [...gets, post]);
      await bench.generate();
      assert.deepEqual(requestsOf(bench), [...gets, post, post]);
    });
  }

  test("is what the URL ends with, without a question for it", async () => {
    await using bench = await createProtocolBench(createOvmsFace());
    const { url } = bench.runtime;
    await using other = await createProtocolBench(createOvmsFace(), { endpoint: `${url}/v3/images/generations` });
    assert.equal((await other.generate()).metadata.model_name, "sd");
    assert.deepEqual(requestsOf(bench), ["GET /v3/models", "GET /v3/models", "POST /v3/images/generations"]);
  });

  test("is what the operator fixed, whatever the server looks like", async () => {
    await using bench = await createKServeBench({ protocol: "v1", modelName: "model" });
    await bench.generate();
    assert.deepEqual(requestsOf(bench), ["GET /v1/models/model", "POST /v1/models/model:predict"]);
  });

  test("changes once from V1 to V2 when the server has no route for V1, and stays so", async () => {
    const triton = createTritonFace({ output: "pixels", modelName: "m" });
    // A proxy that lets nothing through but the model itself: the kind of server cannot be found out.
    const face: FakeFace = (request) =>
      /^\/v2\/models\/m(?:\/infer)?$/.test(request.path) ? triton(request) : { status: 404, body: "" };
    await using bench = await createProtocolBench(face, { modelName: "m" });
    await bench.generate();
    assert.deepEqual(
      bench.runtime.posts.map(({ path }) => path),
      ["/v1/models/m:predict", "/v2/models/m/infer"],
    );
    await bench.generate();
    assert.equal(bench.runtime.posts.length, 3);
    assert.equal(bench.runtime.posts[2]?.path, "/v2/models/m/infer");
  });

  test("changes once from V2 to V1 when the model is not made for V2", async () => {
    const face: FakeFace = ({ method, path }) => {
      if (path === "/v2") return { status: 200, body: `{"name":"torchserve","extensions":[]}` };
      if (method === "GET") return { status: 404, body: "" };
      return path.startsWith("/v2")
        ? { status: 400, body: `{"error":"v2 protocol not implemented"}` }
        : { status: 200, body: JSON.stringify({ predictions: [drawTestPicture({ prompt: "x" }).toString("base64")] }) };
    };
    await using bench = await createProtocolBench(face, { modelName: "m" });
    await bench.generate();
    await bench.generate();
    assert.deepEqual(
      bench.runtime.posts.map(({ path }) => path),
      ["/v2/models/m/infer", "/v1/models/m:predict", "/v1/models/m:predict"],
    );
  });

  test("changes to nothing when neither has a route, and the error is of the first", async () => {
    await using bench = await createProtocolBench(() => ({ status: 404, body: "" }), { modelName: "m" });
    for (const posts of [2, 3]) {
      const error = await failureOf(bench.generate());
      assert.equal(error.code, "not_a_kserve_endpoint");
      assert.equal(bench.runtime.posts.length, posts);
    }
    assert.deepEqual(
      bench.runtime.posts.map(({ path }) => path),
      ["/v1/models/m:predict", "/v2/models/m/infer", "/v1/models/m:predict"],
    );
  });

  const perhapsExecuted: [string, keyof typeof HOP_ANSWERS][] = [
    ["a timeout", "envoyTimeout"],
    ["a lost connection", "envoyConnectionLost"],
    ["refused credentials", "unauthorized"],
  ];
  for (const [title, answer] of perhapsExecuted) {
    test(`does not change after ${title}`, async () => {
      await using bench = await createKServeBench({ ...AUTO, maxRetries: 0 });
      bench.runtime.script({ kind: "answer", answer: HOP_ANSWERS[answer] });
      await failureOf(bench.generate());
      assert.equal(bench.runtime.posts.length, 1);
    });
  }

  test("does not change after an answer that took as long as a picture may", async () => {
    await using bench = await createKServeBench({ ...AUTO, maxRetries: 0 });
    bench.runtime.script({ kind: "hold", answer: HOP_ANSWERS.wrongRoute });
    const work = failureOf(bench.generate());
    await bench.runtime.waitForRequests("POST");
    await bench.clock.advance(1000);
    bench.runtime.release();
    assert.equal((await work).code, "not_a_kserve_endpoint");
    assert.equal(bench.runtime.posts.length, 1);
  });

  test("does not change when the operator fixed it, or after a picture", async () => {
    const wrongRoute = { kind: "answer", answer: HOP_ANSWERS.wrongRoute } as const;
    await using fixed = await createKServeBench({ maxRetries: 0 });
    fixed.runtime.script(wrongRoute);
    assert.equal((await failureOf(fixed.generate())).code, "not_a_kserve_endpoint");
    assert.equal(fixed.runtime.posts.length, 1);
    await using drawn = await createKServeBench({ ...AUTO, maxRetries: 0 });
    await drawn.generate();
    drawn.runtime.script(wrongRoute);
    assert.equal((await failureOf(drawn.generate())).code, "not_a_kserve_endpoint");
    assert.equal(drawn.runtime.posts.length, 2);
  });

  test("stays open while the server is silent, and the job goes out by V1", async () => {
    await using bench = await createKServeBench({ ...AUTO, modelName: "model", deadlineSeconds: 90 });
    bench.runtime.readiness = "hang";
    const work = bench.generate();
    await bench.runtime.waitForRequests("GET");
    await bench.clock.waitForSleepers(2);
    await bench.clock.advance(30_000);
    assert.equal((await work).metadata.model_name, "model");
    assert.deepEqual(requestsOf(bench), ["GET /v1/models", "POST /v1/models/model:predict"]);
  });

  test("is not found out behind credentials that are refused", async () => {
    await using bench = await createProtocolBench(() => HOP_ANSWERS.unauthorized);
    assert.equal((await failureOf(bench.generate())).code, "upstream_auth_failed");
    assert.deepEqual(requestsOf(bench), ["GET /v1/models"]);
  });
});
