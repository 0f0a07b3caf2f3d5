import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { APIError } from "openai";
import { AccessPolicy } from "../src/access/access-policy.ts";
import { KServeError } from "../src/core/errors.ts";
import { SteppedGenerator } from "../src/testing/image-service-bench.ts";
import { parseJson, startServer, type HttpAnswer, type TestServer, type TestServerOptions } from "./http-support.ts";

const JSON_TYPE = { "content-type": "application/json" };

async function startDoors(options: TestServerOptions = {}): Promise<TestServer & { generator: SteppedGenerator }> {
  const generator = new SteppedGenerator();
  const server = await startServer({
    generator,
    doors: ["openai", "a1111"],
    modelName: () => "test-model",
    ...options,
  });
  return Object.assign(server, { generator });
}

async function post(server: TestServer, path: string, body: unknown): Promise<HttpAnswer> {
  return server.call("POST", path, JSON_TYPE, JSON.stringify(body));
}

const toClient = (server: TestServer): OpenAI =>
  new OpenAI({ baseURL: `http://127.0.0.1:${server.port}/v1`, apiKey: "none", maxRetries: 0 });

test("OpenAI's SDK generates pictures, as base64 and as URLs", async () => {
  await using server = await startDoors();
  const client = toClient(server);
  const inline = await client.images.generate({ prompt: "a cat", model: "gpt-image-1", size: "1024x1536", n: 2 });
  assert.equal(inline.data?.length, 2);
  const stored = parseJson(await server.get("/images/")) as { image_id: string; prompt: string }[];
  assert.equal(stored.length, 2);
  const files = await Promise.all(stored.map(async ({ image_id: id }) => (await server.get(`/images/${id}`)).body));
  for (const { b64_json: text } of inline.data ?? []) {
    assert.ok(files.some((file) => file.equals(Buffer.from(text ?? "", "base64"))));
  }
  assert.deepEqual(server.generator.requests[0], {
    prompt: "a cat",
    width: 1024,
    height: 1536,
    seed: server.generator.requests[0]?.seed,
  });
  assert.equal(inline.created, Math.floor(server.clock.nowMs() / 1000));

  const linked = await client.images.generate({ prompt: "a dog", response_format: "url", size: "auto" });
  assert.match(linked.data?.[0]?.url ?? "", /\/images\/img_/);
  assert.equal(linked.data?.[0]?.b64_json, undefined);
  const old = await client.images.generate({ prompt: "a dog", model: "dall-e-3", quality: "hd", style: "vivid" });
  assert.match(old.data?.[0]?.url ?? "", /\/images\/img_/);
});

test("OpenAI's SDK lists the model that is served", async () => {
  await using server = await startDoors();
  const client = toClient(server);
  assert.deepEqual(
    (await client.models.list()).data.map(({ id }) => id),
    ["test-model"],
  );
  assert.equal((await client.models.retrieve("test-model")).object, "model");
});

test("OpenAI's SDK gets errors in its own shape, with the field", async () => {
  await using server = await startDoors();
  const client = toClient(server);
  const failure = async (work: Promise<unknown>): Promise<readonly unknown[]> =>
    work.then(
      () => assert.fail("it did not fail"),
      (error: unknown) => {
        assert.ok(error instanceof APIError);
        return [error.status, error.code, error.param, error.type];
      },
    );
  const generate = async (more: object): Promise<readonly unknown[]> =>
    failure(client.images.generate({ prompt: "a cat", ...more }));
  const refused = (field: string): unknown[] => [400, "invalid_argument", field, "invalid_request_error"];
  assert.deepEqual(await generate({ size: "1x1" }), refused("width"));
  assert.deepEqual(await generate({ size: "big" }), refused("size"));
  assert.deepEqual(await generate({ n: 11 }), refused("n"));
  assert.deepEqual(await generate({ prompt: "" }), refused("prompt"));
  assert.deepEqual(await generate({ stream: true }), refused("stream"));
  assert.deepEqual(await failure(client.images.createVariation({ image: new File(["x"], "x.png") })), [
    404,
    "not_found",
    null,
    "invalid_request_error",
  ]);
  server.generator.failure = new KServeError("out_of_memory", "CUDA out of memory");
  assert.deepEqual(await generate({}), [507, "out_of_memory", null, "server_error"]);
});

test("OpenAI's SDK is refused without a key where callers must say who they are, and goes in with one", async () => {
  const verifier = {
    verify: async (token: string) =>
      token === "right" ? { id: "key:me", scopes: new Set(["images:generate", "images:read"] as const) } : undefined,
  };
  const policy = new AccessPolicy({ verifier });
  await using server = await startDoors({ policy });
  const generate = async (apiKey: string): Promise<OpenAI.ImagesResponse> =>
    new OpenAI({ baseURL: `http://127.0.0.1:${server.port}/v1`, apiKey, maxRetries: 0 }).images.generate({
      prompt: "a cat",
    });
  await assert.rejects(generate("wrong"), { status: 401, code: "unauthorized" });
  assert.equal((await generate("right")).data?.length, 1);
});

test("what Open WebUI sends to OpenAI's images works", async () => {
  await using server = await startDoors();
  const answer = await post(server, "/v1/images/generations", {
    model: "dall-e-2",
    prompt: "a cat",
    n: 1,
    size: "512x512",
    response_format: "b64_json",
  });
  const { data } = parseJson(answer) as { data: { b64_json: string; url?: string }[] };
  assert.equal(data.length, 1);
  assert.equal(data[0]?.url, undefined);
  assert.equal(
    Buffer.from(data[0]?.b64_json ?? "", "base64")
      .subarray(1, 4)
      .toString(),
    "PNG",
  );
});

test("what Open WebUI sends to AUTOMATIC1111 works: options, models, the choice of one, several pictures", async () => {
  await using server = await startDoors();
  const options = parseJson(await server.get("/sdapi/v1/options")) as Record<string, unknown>;
  assert.equal(options["sd_model_checkpoint"], "test-model");
  const models = parseJson(await server.get("/sdapi/v1/sd-models")) as { title: string; model_name: string }[];
  assert.deepEqual(
    models.map(({ title, model_name: name }) => [title, name]),
    [["test-model", "test-model"]],
  );
  assert.equal((await post(server, "/sdapi/v1/options", { ...options, sd_model_checkpoint: "x" })).status, 200);
  const answer = await post(server, "/sdapi/v1/txt2img", {
    prompt: "a cat",
    batch_size: 2,
    width: 512,
    height: 512,
    steps: 20,
    negative_prompt: "text",
    cfg_scale: 7.0,
    sampler_name: "Euler",
    scheduler: "Karras",
    seed: 41,
  });
  const { images, info } = parseJson(answer) as { images: string[]; info: string };
  assert.equal(images.length, 2);
  const { all_seeds: seeds, infotexts } = JSON.parse(info) as { all_seeds: number[]; infotexts: string[] };
  assert.deepEqual(seeds, [41, 42]);
  assert.match(infotexts[1] ?? "", /^a cat\n.*Seed: 42, Size: 1x1, Model: test-model/s);
  assert.deepEqual(
    server.generator.requests.map(({ seed }) => seed),
    [41, 42],
  );
});

test("what LibreChat sends to AUTOMATIC1111 works, and its answer has what LibreChat reads", async () => {
  await using server = await startDoors();
  const answer = await post(server, "/sdapi/v1/txt2img", {
    prompt: "a cat",
    negative_prompt: "text",
    cfg_scale: 4.5,
    steps: 22,
    width: 1024,
    height: 1024,
  });
  const { images, info } = parseJson(answer) as { images: string[]; info: string };
  assert.equal(
    Buffer.from(images[0]?.split(",", 1)[0] ?? "", "base64")
      .subarray(1, 4)
      .toString(),
    "PNG",
  );
  const { seed, width, height, infotexts } = JSON.parse(info) as Record<string, unknown> & { infotexts: string[] };
  assert.deepEqual([typeof seed, width, height, infotexts.length], ["number", 1, 1, 1]);
  assert.deepEqual(server.generator.requests[0], {
    prompt: "a cat",
    negativePrompt: "text",
    width: 1024,
    height: 1024,
    numInferenceSteps: 22,
    guidanceScale: 4.5,
    seed,
  });
});

test("AUTOMATIC1111's samplers and progress are answered, and errors in its shape", async () => {
  await using server = await startDoors();
  assert.deepEqual(parseJson(await server.get("/sdapi/v1/samplers")), [
    { name: "Automatic", aliases: [], options: {} },
  ]);
  const progress = parseJson(await server.get("/sdapi/v1/progress?skip_current_image=true")) as { progress: number };
  assert.equal(progress.progress, 0);
  const refused = await post(server, "/sdapi/v1/txt2img", { prompt: "a cat", width: 1 });
  assert.equal(refused.status, 400);
  const { error, detail } = parseJson(refused) as { error: string; detail: string };
  assert.deepEqual([error, detail], ["invalid_argument", "width must be an integer from 64 to 2048, got 1"]);
  assert.equal((await post(server, "/sdapi/v1/txt2img", { prompt: "a", batch_size: 8, n_iter: 2 })).status, 400);
});

test("a client that goes away ends what it asked for at a door", async () => {
  await using server = await startDoors();
  server.generator.gate = new Promise(() => undefined);
  const gone = new AbortController();
  const call = fetch(`http://127.0.0.1:${server.port}/v1/images/generations`, {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify({ prompt: "a cat", n: 3 }),
    signal: gone.signal,
  });
  while (server.generator.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  gone.abort();
  await assert.rejects(call);
  while ((parseJson(await server.get("/jobs")) as unknown[]).length > 0)
    await new Promise((resolve) => setImmediate(resolve));
  assert.equal(server.generator.requests.length, 1);
});

test("doors are closed unless a setting opens them, and known to nobody then", async () => {
  await using server = await startServer();
  for (const path of ["/v1/models", "/sdapi/v1/options", "/sdapi/v1/progress"]) {
    assert.equal((await server.get(path)).status, 404);
  }
  assert.equal((await server.call("POST", "/v1/images/generations")).status, 404);
  assert.doesNotMatch((await server.get("/openapi.json")).body.toString(), /sdapi|\/v1\//);
  await using open = await startDoors({ doors: ["openai"] });
  assert.equal((await open.get("/v1/models")).status, 200);
  assert.equal((await open.get("/sdapi/v1/options")).status, 404);
  assert.match((await open.get("/docs")).body.toString(), /POST \/v1\/images\/generations/);
});
