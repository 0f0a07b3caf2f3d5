import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { dirname } from "node:path";
import test, { after, before, describe } from "node:test";
import { sniffImageFormat } from "../core/image-format.ts";
import type { JsonObject } from "../core/json.ts";
import { createEngineServer } from "./engine-server.ts";

const PREDICT = "/v1/models/scenes-v1:predict";
const NO_VERSIONS = "Model versioning not supported yet.";
const PROMPT = "a red circle on a blue background";

describe("EngineServer on a private socket", () => {
  const server = createEngineServer({ maxWaiting: 1 });
  let socketPath = "";

  before(async () => {
    const address = await server.listen();
    assert.ok("socketPath" in address);
    assert.equal(address.modelName, "scenes-v1");
    ({ socketPath } = address);
  });
  after(() => server.close());

  const call = (method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Reply> =>
    send({ socketPath }, method, path, body, options);

  test("EngineServer says that it is alive, but not ready while the model loads", async () => {
    assert.deepEqual(await call("GET", "/"), { status: 200, body: { status: "alive" } });
    assert.deepEqual(await call("GET", "/v1/models/scenes-v1"), {
      status: 503,
      body: { error: "Model with name scenes-v1 is not ready." },
    });
    await server.ready();
    assert.deepEqual(await call("GET", "/v1/models/scenes-v1"), {
      status: 200,
      body: { name: "scenes-v1", ready: true, progress: true },
    });
  });

  test("EngineServer listens in a folder that only its user can enter", { skip: process.platform === "win32" }, () => {
    assert.equal(statSync(dirname(socketPath)).mode & 0o777, 0o700);
    assert.ok(Buffer.byteLength(socketPath) <= 103);
  });

  test("EngineServer answers as KServe does where there is nothing to draw", async () => {
    const answers: [string, string, Reply][] = [
      ["GET", "/v1/models", { status: 200, body: { models: ["scenes-v1"] } }],
      ["GET", "/v1/models/nope", { status: 404, body: { error: "Model with name nope does not exist." } }],
      ["POST", "/v1/models/nope:predict", { status: 404, body: { error: "Model with name nope does not exist." } }],
      ["GET", PREDICT, { status: 405, body: { detail: "Method Not Allowed" } }],
      ["GET", "/v2/health/live", { status: 200, body: { live: true } }],
      ["GET", "/v2/health/ready", { status: 200, body: { ready: true } }],
      ["GET", "/v2/models", { status: 200, body: { models: ["scenes-v1"] } }],
      ["GET", "/v2/models/nope/ready", { status: 404, body: { error: "Model with name nope does not exist." } }],
      ["POST", "/v2/models/scenes-v1/versions/1/infer", { status: 501, body: { error: NO_VERSIONS } }],
      ["GET", "/v1/models/scenes-v1/ready", { status: 404, body: { detail: "Not Found" } }],
      ["GET", "/v1/%E0", { status: 404, body: { detail: "Not Found" } }],
      ["PUT", PREDICT, { status: 405, body: { detail: "Method Not Allowed" } }],
    ];
    for (const [method, path, expected] of answers) assert.deepEqual(await call(method, path), expected, path);
  });

  test("EngineServer draws a picture and reports what was really used", async () => {
    const instance = { prompt: PROMPT, negative_prompt: "green", width: 96, height: 64, num_inference_steps: 2 };
    const { status, body } = await call("POST", "/v1/models/scenes-v1%3Apredict", {
      instances: [{ ...instance, guidance_scale: 7.5, seed: 5 }],
    });
    assert.equal(status, 200);
    const [{ image, timings, ...facts }] = body["predictions"] as [
      { image: { format: string; b64: string }; timings: JsonObject },
    ];
    assert.deepEqual(facts, {
      ...instance,
      model_name: "scenes-v1",
      guidance_scale: 7.5,
      seed: 5,
      native_width: 384,
      native_height: 256,
      scheduler: "DDIMScheduler",
      warnings: [],
    });
    assert.equal(image.format, "PNG");
    assert.equal(sniffImageFormat(Buffer.from(image.b64, "base64")), "png");
    assert.deepEqual(Object.keys(timings), ["queue_ms", "encode_ms", "denoise_ms", "decode_ms", "resize_ms"]);
  });

  test("EngineServer names what is wrong with a request", async () => {
    const error = async (body: unknown): Promise<[number, unknown]> => {
      const reply = await call("POST", PREDICT, body);
      return [reply.status, reply.body["error"]];
    };
    assert.deepEqual(await error("{"), [400, "Unrecognized request format: the body is not JSON"]);
    const small = { instances: [{ prompt: "a", width: 1 }] };
    assert.deepEqual(await error(small), [400, "width is 1; allowed: an integer from 64 to 2048"]);
    assert.deepEqual(await error(" ".repeat(2 ** 20 + 1)), [413, "The request body is too large"]);
  });

  test("EngineServer stays answerable while it draws, tells the progress, refuses a third job, and frees an abandoned one", async () => {
    const long = { instances: [{ prompt: PROMPT, num_inference_steps: 200 }] };
    const leaving = [new AbortController(), new AbortController()];
    const jobs = leaving.map(async ({ signal }, i) => call("POST", PREDICT, long, { signal, requestId: `job-${i}` }));
    const rejections = jobs.map((job) => assert.rejects(job));
    const progress = async (requestId: string): Promise<Reply> =>
      call("GET", `/v1/models/scenes-v1/progress?request_id=${requestId}`);
    let first = await progress("job-0");
    while (first.status === 404 || !(Number(first.body["step"]) > 0)) first = await progress("job-0");
    assert.equal(first.body["total_steps"], 200);
    while ((await progress("job-1")).status === 404);
    assert.deepEqual((await progress("job-1")).body, {
      step: 0,
      total_steps: null,
      picture: 1,
      pictures: 1,
    });
    assert.deepEqual((await call("GET", "/v1/models/scenes-v1")).status, 200);
    const third = await call("POST", PREDICT, long);
    assert.deepEqual(third, { status: 503, body: { error: "The image generator is busy" } });

    for (const caller of leaving) caller.abort();
    await Promise.all(rejections);
    const next = { instances: [{ prompt: PROMPT, num_inference_steps: 1 }] };
    let reply = await call("POST", PREDICT, next);
    while (reply.status === 503) reply = await call("POST", PREDICT, next);
    assert.equal(reply.status, 200);
    assert.equal((await progress("job-0")).status, 404);
  });

  test("EngineServer.close() removes its socket, and may be called twice", async () => {
    await server.close();
    await server.close();
    assert.equal(existsSync(dirname(socketPath)), false);
  });
});

test("EngineServer.listen() takes a port of loopback, and close() ends what was loading", async () => {
  await using server = createEngineServer();
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  assert.ok("port" in address && address.port > 0);
  assert.deepEqual(await send(address, "GET", "/", undefined), { status: 200, body: { status: "alive" } });
});

test("EngineServer.listen() does not begin once the server is closed", async () => {
  await using server = createEngineServer();
  const listening = assert.rejects(server.listen(), { code: "shutting_down" });
  await server.close();
  await listening;
});

test("EngineServer.listen() fails at once for a folder that is no model", async () => {
  await using server = createEngineServer({ modelPath: import.meta.dirname });
  await assert.rejects(server.listen(), { code: "configuration_invalid" });
});

interface Reply {
  readonly status: number;
  readonly body: JsonObject;
}

interface CallOptions {
  readonly signal?: AbortSignal;
  readonly requestId?: string;
}

type Target = { readonly socketPath: string } | { readonly host: string; readonly port: number };

async function send(
  target: Target,
  method: string,
  path: string,
  body: unknown,
  options: CallOptions = {},
): Promise<Reply> {
  const outcome = Promise.withResolvers<Reply>();
  const headers = options.requestId === undefined ? {} : { "x-request-id": options.requestId };
  const request = httpRequest({ ...target, method, path, headers, ...(options.signal && { signal: options.signal }) });
  request.on("error", outcome.reject);
  request.on("response", (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => {
      outcome.resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) });
    });
    response.on("error", outcome.reject);
  });
  request.end(body === undefined || typeof body === "string" ? body : JSON.stringify(body));
  return outcome.promise;
}
