import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isJsonObject, type JsonObject } from "../src/core/json.ts";
import { startLoadedServer, type LoadedServer } from "./support/loaded-server.ts";
import { connectMcpHttp, ERAS, serveMcpHttp } from "./support/mcp-clients.ts";
import { createMcpParts } from "./support/mcp-parts.ts";
import { TemporaryFolder } from "./support/server-process.ts";

const EXTENSION = "io.modelcontextprotocol/tasks";
const PICTURE = { prompt: "a red boat", width: 64, height: 64, seed: 7 };
const UNKNOWN_ID = "img_00000000000000000000000000";

/** One request of 2026-07-28 as it goes over the wire, by a client that declares the extension or does not. */
async function send(
  url: URL,
  method: string,
  params: JsonObject,
  { declares = true, token = "" } = {},
): Promise<JsonObject> {
  const extensions = declares ? { [EXTENSION]: {} } : {};
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": { extensions },
  };
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      "mcp-name": textOf(params["taskId"] ?? params["name"]),
      ...(token !== "" && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }),
  });
  const text = await response.text();
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
  const events = text.split("\n").filter((line) => line.startsWith("data: {"));
  return JSON.parse(isStream ? (events.at(-1)?.slice("data: ".length) ?? "") : text);
}

function textOf(value: unknown): string {
  assert.equal(typeof value, "string");
  return String(value);
}

function resultOf(answer: JsonObject): JsonObject {
  const { result } = answer;
  assert.ok(isJsonObject(result), JSON.stringify(answer));
  return result;
}

function errorOf(answer: JsonObject): JsonObject {
  const { error } = answer;
  assert.ok(isJsonObject(error), JSON.stringify(answer));
  return error;
}

const draw = async (url: URL, options = {}): Promise<JsonObject> =>
  resultOf(await send(url, "tools/call", { name: "generate_image", arguments: PICTURE }, options));

async function untilStatus(url: URL, taskId: string, status: string, options = {}): Promise<JsonObject> {
  for (;;) {
    const task = resultOf(await send(url, "tasks/get", { taskId }, options));
    if (task["status"] === status) return task;
    assert.equal(task["status"], "working");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function open({ hasTasks = true, mayManage = true } = {}) {
  const parts = createMcpParts({ hasTasks });
  const http = await serveMcpHttp({ build: parts.build, mayManage });
  return { ...parts, url: http.url, [Symbol.asyncDispose]: async () => http.stop() };
}

describe("Tasks", () => {
  test("answer a call at once, are told as they go on, and end with what the tool would have answered", async () => {
    await using server = await open();
    server.generator.hold();
    const created = await draw(server.url);
    const taskId = textOf(created["taskId"]);
    assert.match(taskId, /^img_/);
    assert.partialDeepStrictEqual(created, {
      resultType: "task",
      status: "working",
      ttlMs: 3_600_000,
      pollIntervalMs: 2000,
    });
    await server.generator.started();
    const working = resultOf(await send(server.url, "tasks/get", { taskId }));
    assert.partialDeepStrictEqual(working, {
      resultType: "complete",
      taskId,
      status: "working",
      createdAt: created["createdAt"],
    });
    assert.equal(typeof working["statusMessage"], "string");
    assert.equal(working["result"], undefined);
    server.generator.release();
    const done = await untilStatus(server.url, taskId, "completed");
    const again = resultOf(await send(server.url, "tasks/get", { taskId }));
    assert.deepEqual(again, done, "an ended task stays as it is");
    const { result } = done;
    assert.ok(isJsonObject(result));
    assert.partialDeepStrictEqual(result["structuredContent"], { image_id: taskId, metadata: { seed: 7 } });
    assert.equal(server.generator.generateImageCalls.length, 1);
  });

  test("are for clients that declare them, and for those alone", async () => {
    await using server = await open();
    const plain = await draw(server.url, { declares: false });
    assert.equal(plain["resultType"], "complete");
    assert.partialDeepStrictEqual(plain["structuredContent"], { metadata: { seed: 7 } });
    for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
      const answer = await send(server.url, method, { taskId: UNKNOWN_ID }, { declares: false });
      const required = { requiredCapabilities: { extensions: { [EXTENSION]: {} } } };
      assert.partialDeepStrictEqual(errorOf(answer), { code: -32_021, data: required });
    }
  });

  test("whose news somebody wants to hear who does not declare them are an error, other news are not", async () => {
    await using server = await startLoadedServer({ MCP_TASKS: "true" });
    const listen = async (declares: boolean, notifications: JsonObject): Promise<Response> => {
      const extensions = declares ? { [EXTENSION]: {} } : {};
      const _meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { extensions },
      };
      return fetch(`${server.url}/mcp`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          "mcp-protocol-version": "2026-07-28",
          "mcp-method": "subscriptions/listen",
        },
        body: JSON.stringify({
          jsonrpc: "2.0",
          id: 7,
          method: "subscriptions/listen",
          params: { notifications, _meta },
        }),
      });
    };
    const refused = await listen(false, { taskIds: [UNKNOWN_ID] });
    assert.equal(refused.status, 400);
    const required = { requiredCapabilities: { extensions: { [EXTENSION]: {} } } };
    const { id, error } = (await refused.json()) as JsonObject;
    assert.equal(id, 7);
    assert.partialDeepStrictEqual(error, { code: -32_021, data: required });
    for (const [declares, notifications] of [
      [true, { taskIds: [UNKNOWN_ID] }],
      [false, { resourcesListChanged: true }],
    ] as const) {
      const stream = await listen(declares, notifications);
      assert.deepEqual([stream.status, stream.headers.get("content-type")], [200, "text/event-stream"]);
      await stream.body?.cancel();
    }
  });

  test("are off unless they are switched on", async () => {
    await using server = await open({ hasTasks: false });
    assert.equal((await draw(server.url))["resultType"], "complete");
    assert.equal(errorOf(await send(server.url, "tasks/get", { taskId: UNKNOWN_ID }))["code"], -32_601);
  });

  for (const era of ERAS) {
    test(`are declared to a ${era} client only where they are`, async () => {
      await using server = await open();
      const client = await connectMcpHttp(server.url, era);
      const declared = client.getServerCapabilities()?.extensions?.[EXTENSION];
      assert.deepEqual(declared, era === "modern" ? {} : undefined);
      await client.close();
    });
  }

  test("that nobody knows are said to be none", async () => {
    await using server = await open();
    for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
      for (const taskId of [UNKNOWN_ID, "", "../x", "img_"]) {
        assert.equal(errorOf(await send(server.url, method, { taskId }))["code"], -32_602);
      }
    }
  });

  test("of a tool that failed are completed, with its error as the result", async () => {
    await using server = await startLoadedServer({ MCP_TASKS: "true", KSERVE_MAX_RETRIES: "0" });
    server.runtime.script({ kind: "hold", answer: { status: 500, body: '{"error":"out of paint"}' } });
    const created = await draw(server.mcpUrl);
    server.runtime.release();
    const task = await untilStatus(server.mcpUrl, textOf(created["taskId"]), "completed");
    const { result } = task;
    assert.ok(isJsonObject(result));
    assert.equal(result["isError"], true);
  });

  test("end when they are cancelled, and what was cancelled stays so", async () => {
    await using server = await open();
    server.generator.hold();
    const taskId = textOf((await draw(server.url))["taskId"]);
    await server.generator.started();
    assert.deepEqual(resultOf(await send(server.url, "tasks/cancel", { taskId }))["resultType"], "complete");
    await untilStatus(server.url, taskId, "cancelled");
    assert.equal(server.generator.cancelled.length, 1);
    const first = resultOf(await send(server.url, "tasks/get", { taskId }));
    await sleep(20);
    assert.deepEqual(
      resultOf(await send(server.url, "tasks/get", { taskId })),
      first,
      "its last update stays the same",
    );
  });

  test("of somebody else are not ended by a stranger where nobody says who they are", async () => {
    await using server = await open({ mayManage: false });
    server.generator.hold();
    const taskId = textOf((await draw(server.url))["taskId"]);
    await server.generator.started();
    resultOf(await send(server.url, "tasks/cancel", { taskId }));
    server.generator.release();
    await untilStatus(server.url, taskId, "completed");
    assert.equal(server.generator.cancelled.length, 0);
  });

  test("that have ended are not undone by a cancel", async () => {
    await using server = await open();
    const id = (await server.images.generate({ prompt: "x", width: 64, height: 64 }, { clientId: "test" })).image_id;
    resultOf(await send(server.url, "tasks/cancel", { taskId: id }));
    assert.equal((await untilStatus(server.url, id, "completed"))["status"], "completed");
  });

  test("are known to every replica, which can also end them", async () => {
    using folder = new TemporaryFolder();
    const settings = { MCP_TASKS: "true", STORAGE_PATH: folder.path };
    await using first = await startLoadedServer(settings);
    await using second = await startLoadedServer(settings);
    first.runtime.drawMs = 200;
    const taskId = textOf((await draw(first.mcpUrl))["taskId"]);
    const task = await untilStatus(second.mcpUrl, taskId, "completed");
    const { result } = task;
    assert.ok(isJsonObject(result));
    assert.partialDeepStrictEqual(result["structuredContent"], { image_id: taskId });
  });

  test("belong to whoever began them", async () => {
    const keys = { alice: "alice-0123456789abcdefghij", bob: "bob-0123456789abcdefghij" };
    const API_KEYS = `alice:${keys.alice}\nbob:${keys.bob}`;
    await using server: LoadedServer = await startLoadedServer({ MCP_TASKS: "true", AUTH_MODE: "token", API_KEYS });
    server.runtime.drawMs = 300;
    const taskId = textOf((await draw(server.mcpUrl, { token: keys.alice }))["taskId"]);
    for (const method of ["tasks/get", "tasks/cancel"]) {
      assert.equal(errorOf(await send(server.mcpUrl, method, { taskId }, { token: keys.bob }))["code"], -32_602);
    }
    resultOf(await send(server.mcpUrl, "tasks/cancel", { taskId }, { token: keys.alice }));
    await untilStatus(server.mcpUrl, taskId, "cancelled", { token: keys.alice });
  });

  test("are refused in our words to whoever may draw but not look", async () => {
    const token = "drawer-0123456789abcdefghij";
    const settings = { MCP_TASKS: "true", AUTH_MODE: "token", API_KEYS: `drawer:${token}:generate` };
    await using server = await startLoadedServer(settings);
    const taskId = textOf((await draw(server.mcpUrl, { token }))["taskId"]);
    const { message } = errorOf(await send(server.mcpUrl, "tasks/get", { taskId }, { token }));
    assert.equal(message, "This needs the scope images:read, which the token does not have");
  });
});
