import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { suite, test } from "node:test";
import { FakeKServeRuntime, type FakeKServeRuntimeOptions } from "./fake-kserve-runtime.ts";

const PREDICT = "/v1/models/model:predict";
const JSON_TYPE = { "content-type": "application/json" };

interface Case {
  readonly title: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly status: number;
  /** The whole body. */
  readonly answer: string;
}

async function ask(
  url: string,
  sent: Pick<Case, "path" | "body" | "headers">,
): Promise<{ status: number; body: string }> {
  const method = sent.body === undefined ? "GET" : "POST";
  const request = httpRequest(url + sent.path, { method, headers: sent.headers ?? JSON_TYPE, agent: false });
  request.end(sent.body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) body += chunk as string;
  return { status: response.statusCode ?? 0, body };
}

function instance(fields: object): string {
  return JSON.stringify({ instances: [fields] });
}

function failed(reason: string): string {
  return JSON.stringify({ error: `Prediction failed: ${reason}` });
}

suite("FakeKServeRuntime answers as KServe does to", () => {
  const unknownModel = `{"error":"Model with name nope does not exist."}`;
  const notFound = `{"detail":"Not Found"}`;
  const invalidPayload = `{"error":"invalid payload"}`;
  const cases: Case[] = [
    { title: "a question for life", path: "/", status: 200, answer: `{"status":"alive"}` },
    { title: "a question for its models", path: "/v1/models", status: 200, answer: `{"models":["model"]}` },
    { title: "readiness", path: "/v1/models/model", status: 200, answer: `{"name":"model","ready":true}` },
    { title: "readiness of an unknown model", path: "/v1/models/nope", status: 404, answer: unknownModel },
    { title: "a readiness path of V2 under V1", path: "/v1/models/model/ready", status: 404, answer: notFound },
    {
      title: "a question for its kind",
      path: "/v2",
      status: 200,
      answer: `{"name":"kserve","version":"0.20.0","extensions":["model_repository_extension"]}`,
    },
    {
      title: "a question for the tensors of a model that is made for V1",
      path: "/v2/models/model",
      status: 200,
      answer: `{"name":"model","versions":null,"platform":"","inputs":[],"outputs":[]}`,
    },
    { title: "readiness by V2", path: "/v2/models/model/ready", status: 200, answer: `{"name":"model","ready":true}` },
    { title: "readiness by V2 of an unknown model", path: "/v2/models/nope/ready", status: 404, answer: unknownModel },
    { title: "a trailing slash", path: "/v1/models/", status: 307, answer: "" },
    { title: "an OpenAI path", path: "/openai/v1/models", status: 404, answer: notFound },
    {
      title: "GET of a predict path",
      path: PREDICT,
      status: 404,
      answer: `{"error":"Model with name model:predict does not exist."}`,
    },
    {
      title: "a charset in the content type",
      path: PREDICT,
      body: instance({ prompt: "x" }),
      headers: { "content-type": "application/json; charset=utf-8" },
      status: 400,
      answer: invalidPayload,
    },
    {
      title: "a content type in another case",
      path: PREDICT,
      body: instance({ prompt: "x" }),
      headers: { "content-type": "Application/JSON" },
      status: 400,
      answer: invalidPayload,
    },
    { title: "a body without instances", path: PREDICT, body: "{}", status: 400, answer: invalidPayload },
    {
      title: "no instance",
      path: PREDICT,
      body: `{"instances":[]}`,
      status: 500,
      answer: `{"error":"IndexError : list index out of range"}`,
    },
    {
      title: "a missing prompt",
      path: PREDICT,
      body: instance({}),
      status: 400,
      answer: failed("Missing required parameter: prompt"),
    },
    {
      title: "a size that is not divisible by 8",
      path: PREDICT,
      body: instance({ prompt: "x", width: 100, height: 100 }),
      status: 400,
      answer: failed("`height` and `width` have to be divisible by 8 but are 100 and 100."),
    },
    {
      title: "null for guidance",
      path: PREDICT,
      body: instance({ prompt: "x", guidance_scale: null }),
      status: 400,
      answer: failed("'>' not supported between instances of 'NoneType' and 'int'"),
    },
    { title: "an unknown model", path: "/v1/models/nope:predict", body: "{}", status: 404, answer: unknownModel },
    {
      title: "a doubled path",
      path: "/v1/models/model/v1/models/model:predict",
      body: instance({ prompt: "x" }),
      status: 404,
      answer: notFound,
    },
    {
      title: "a V2 inference",
      path: "/v2/models/model/infer",
      body: "{}",
      status: 400,
      answer: `{"error":"v2 protocol not implemented"}`,
    },
  ];
  for (const { title, status, answer, ...sent } of cases) {
    test(title, async () => {
      await using runtime = await FakeKServeRuntime.start();
      assert.deepEqual(await ask(runtime.url, sent), { status, body: answer });
      assert.equal(runtime.requests.length, 1);
    });
  }

  test("an encoded colon and to no content type at all", async () => {
    await using runtime = await FakeKServeRuntime.start();
    const body = instance({ prompt: "x", width: 8, height: 8 });
    assert.equal((await ask(runtime.url, { path: "/v1/models/model%3Apredict", body, headers: {} })).status, 200);
  });
});

suite("FakeKServeRuntime, the pipeline", () => {
  const seeds: [NonNullable<FakeKServeRuntimeOptions["pipeline"]>, number, boolean][] = [
    ["stable-diffusion", 200, false],
    ["stable-diffusion-3", 400, false],
    ["echo", 200, true],
  ];
  for (const [pipeline, status, echoes] of seeds) {
    test(`${pipeline} answers ${status} to a seed${echoes ? " and echoes it" : ""}`, async () => {
      await using runtime = await FakeKServeRuntime.start({ pipeline });
      const answer = await ask(runtime.url, {
        path: PREDICT,
        body: instance({ prompt: "x", width: 16, height: 16, seed: 42 }),
      });
      assert.equal(answer.status, status);
      assert.equal(answer.body.includes(`"seed":42`), echoes);
    });
  }
});

suite("FakeKServeRuntime.freezesWhileDrawing", () => {
  test("holds every GET until the prediction is released", async () => {
    await using runtime = await FakeKServeRuntime.start();
    runtime.freezesWhileDrawing = true;
    runtime.script({ kind: "hold" });
    const order: string[] = [];
    const prediction = ask(runtime.url, { path: PREDICT, body: instance({ prompt: "x", width: 8, height: 8 }) });
    await runtime.waitForRequests("POST");
    const readiness = ask(runtime.url, { path: "/v1/models/model" }).then(() => order.push("readiness"));
    await runtime.waitForRequests("GET");
    order.push("released");
    runtime.release();
    assert.equal((await prediction).status, 200);
    await readiness;
    assert.deepEqual(order, ["released", "readiness"]);
  });
});
