import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { configureLogging } from "../src/logging/logger.ts";
import { createFakeClock } from "../src/testing/fake-clock.ts";
import { connectMcpHttp, ERAS, serveMcpHttp } from "./support/mcp-clients.ts";
import { createMcpParts } from "./support/mcp-parts.ts";

const PICTURE = { prompt: "a red boat", width: 64, height: 64 };

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
};

interface Raw {
  readonly status: number;
  readonly sessionId: string | null;
  readonly text: string;
}

async function post(url: URL, body: unknown, headers: Record<string, string> = {}): Promise<Raw> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, sessionId: response.headers.get("mcp-session-id"), text: await response.text() };
}

async function openSession(url: URL): Promise<string> {
  const { status, sessionId } = await post(url, INITIALIZE);
  assert.equal(status, 200);
  assert.ok(sessionId);
  return sessionId;
}

function errorOf(raw: Raw): { code: number; message: string; data?: unknown } {
  return JSON.parse(raw.text).error;
}

function callOf(id: number, args: Record<string, unknown> = PICTURE): Record<string, unknown> {
  return { jsonrpc: "2.0", id, method: "tools/call", params: { name: "generate_image", arguments: args } };
}

/** The JSON-RPC messages of an event stream. */
function messagesOf(text: string): { id?: number; method?: string; result?: { isError?: boolean } }[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => JSON.parse(line.slice(6)));
}

// Proves: TOOL-7, TOOL-8, TOOL-2, TOOL-9
for (const era of ERAS) {
  describe(`createMcpHttpHandler() in the ${era} era`, () => {
    test("serves generate_image to the official client", async () => {
      const parts = createMcpParts();
      await using http = await serveMcpHttp({ build: parts.build });
      const client = await connectMcpHttp(http.url, era);

      assert.deepEqual(
        (await client.listTools()).tools.map(({ name }) => name),
        ["generate_image", "view_image", "list_images", "get_image", "vary_image", "keep_image", "delete_image"],
      );
      const result = await client.callTool({ name: "generate_image", arguments: PICTURE });
      const [id] = parts.storage.images.keys();
      assert.equal(result.isError, undefined);
      assert.equal(parts.generator.generateImageCalls.length, 1);
      const [json, markdown, link, ...more] = result.content;
      assert.ok(json?.type === "text" && markdown?.type === "text" && link?.type === "resource_link");
      assert.deepEqual(JSON.parse(json.text), result.structuredContent);
      const url = `http://127.0.0.1:8000/images/${id}`;
      assert.equal(markdown.text, `![Generated image](${url})`);
      const size = parts.storage.images.get(id ?? "")?.length;
      assert.deepEqual(
        { uri: link.uri, name: link.name, mimeType: link.mimeType, size: link.size },
        { uri: url, name: id, mimeType: "image/png", size },
      );
      assert.deepEqual(more, []);
      assert.deepEqual(Object.keys(result.structuredContent ?? {}).toSorted(), ["image_id", "metadata", "url"]);
      await client.close();
    });

    // Proves: TOOL-5
    test("ends a job in flight and a waiting one when their callers cancel", async () => {
      const parts = createMcpParts();
      await using http = await serveMcpHttp({ build: parts.build });
      const client = await connectMcpHttp(http.url, era);
      parts.generator.hold();
      const [first, second] = [new AbortController(), new AbortController()];
      const calls = [first, second].map(async ({ signal }) =>
        client.callTool({ name: "generate_image", arguments: PICTURE }, { signal }),
      );
      const outcomes = Promise.allSettled(calls);
      await parts.generator.started();
      await until(() => parts.queue.waiting === 1);

      second.abort();
      await until(() => parts.queue.waiting === 0);
      assert.equal(parts.queue.running, 1);
      first.abort();
      await until(() => parts.queue.running === 0);
      assert.equal(parts.generator.cancelled.length, 1);
      assert.deepEqual(
        (await outcomes).map(({ status }) => status),
        ["rejected", "rejected"],
      );
      assert.equal(parts.storage.images.size, 0);
      await client.close();
    });

    // Proves: TOOL-4
    test("sends progress while the caller waits, every number larger than the last", async () => {
      const parts = createMcpParts();
      await using http = await serveMcpHttp({ build: parts.build });
      const client = await connectMcpHttp(http.url, era);
      parts.generator.hold();
      const first = client.callTool({ name: "generate_image", arguments: PICTURE });
      await parts.generator.started();
      const news: { progress: number; total?: number | undefined; message?: string | undefined }[] = [];
      const queued = Promise.withResolvers<void>();
      const second = client.callTool(
        { name: "generate_image", arguments: PICTURE },
        {
          onprogress: (progress) => {
            news.push(progress);
            if (progress.message?.startsWith("Waiting")) queued.resolve();
          },
        },
      );
      await queued.promise;
      parts.generator.release();
      await Promise.all([first, second]);
      assert.deepEqual(
        news.map(({ message }) => message),
        ["Accepted", "Waiting: 1 ahead", "Drawing: 0 s", "Saving the picture"],
      );
      assert.deepEqual(
        news.map(({ progress }) => progress),
        news.map(({ progress }) => progress).toSorted((a, b) => a - b),
      );
      assert.equal(new Set(news.map(({ progress }) => progress)).size, news.length);
      await client.close();
    });

    test("waits in close() for the call in flight, and refuses new ones meanwhile", async () => {
      const parts = createMcpParts();
      await using http = await serveMcpHttp({ build: parts.build });
      const client = await connectMcpHttp(http.url, era);
      parts.generator.hold();
      const call = client.callTool({ name: "generate_image", arguments: PICTURE });
      await parts.generator.started();
      const closed = http.handler.close();
      const refused = await post(http.url, INITIALIZE);
      assert.equal(refused.status, 503);
      assert.deepEqual(errorOf(refused).data, { error: "shutting_down", retryable: true });
      parts.generator.release();
      assert.equal((await call).isError, undefined);
      await closed;
      await client.close();
    });

    test("cancels the call in flight when the signal of close() aborts", async () => {
      const parts = createMcpParts();
      await using http = await serveMcpHttp({ build: parts.build });
      const client = await connectMcpHttp(http.url, era);
      parts.generator.hold();
      const call = client.callTool({ name: "generate_image", arguments: PICTURE }, { timeout: 5000 });
      const outcome = assert.rejects(call);
      await parts.generator.started();
      await http.handler.close({ signal: AbortSignal.abort() });
      await until(() => parts.generator.cancelled.length === 1);
      await client.close();
      await outcome;
    });
  });
}

describe("createMcpHttpHandler()", () => {
  test("sends the head of an answer to a slow tool at once", async () => {
    const parts = createMcpParts();
    await using http = await serveMcpHttp({ build: parts.build });
    parts.generator.hold();
    const meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const body = { ...callOf(1), params: { name: "generate_image", arguments: PICTURE, _meta: meta } };
    const req = httpRequest(http.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "generate_image",
      },
    });
    req.end(JSON.stringify(body));
    const [response] = await once(req, "response");
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers["content-type"], "text/event-stream");
    assert.equal(parts.storage.images.size, 0);
    parts.generator.release();
    let text = "";
    for await (const chunk of response) text += String(chunk);
    assert.equal(messagesOf(text).at(-1)?.id, 1);
    assert.equal(parts.storage.images.size, 1);
  });

  test("goes on with a job of a session whose connection was lost", async () => {
    const parts = createMcpParts();
    await using http = await serveMcpHttp({ build: parts.build });
    const sessionId = await openSession(http.url);
    parts.generator.hold();
    const gone = new AbortController();
    const lost = fetch(http.url, {
      method: "POST",
      signal: gone.signal,
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-session-id": sessionId,
      },
      body: JSON.stringify(callOf(2)),
    });
    await parts.generator.started();
    await lost;
    gone.abort();
    parts.generator.release();
    await until(() => parts.storage.images.size === 1);
    assert.deepEqual(parts.generator.cancelled, []);
  });

  test("bounds a batch of calls by the queue", async () => {
    const parts = createMcpParts({ depth: 2 });
    await using http = await serveMcpHttp({ build: parts.build });
    const sessionId = await openSession(http.url);
    parts.generator.hold();
    const batch = Array.from({ length: 10 }, (_, index) => callOf(index + 10));
    const answered = post(http.url, batch, { "mcp-session-id": sessionId, "mcp-protocol-version": "2025-11-25" });
    await parts.generator.started();
    await until(() => parts.queue.waiting === 2);
    parts.generator.release();
    const results = messagesOf((await answered).text);
    assert.equal(results.length, 10);
    assert.equal(results.filter(({ result }) => result?.isError).length, 7);
    assert.equal(parts.storage.images.size, 3);
  });

  // Proves: TOOL-7
  test("refuses one session more than the limit, and makes room for it once another is idle for a minute", async () => {
    const clock = createFakeClock();
    const { build } = createMcpParts();
    await using http = await serveMcpHttp({ build, maxSessions: 2, clock });
    const first = await openSession(http.url);
    await openSession(http.url);
    const refused = await post(http.url, INITIALIZE);
    assert.equal(refused.status, 503);
    assert.equal(JSON.parse(refused.text).id, 1);
    assert.deepEqual(errorOf(refused), {
      code: -32000,
      message: "Too many MCP sessions are open",
      data: { error: "too_many_sessions", retryable: true },
    });
    await clock.advance(60_000);
    await openSession(http.url);
    assert.equal(http.handler.sessions, 2);
    const list = { jsonrpc: "2.0", id: 2, method: "tools/list" };
    assert.equal((await post(http.url, list, { "mcp-session-id": first })).status, 404);
  });

  // Proves: TOOL-7
  test("ends a session that nobody used for the idle time, but not one with an open stream", async () => {
    const clock = createFakeClock();
    const { build } = createMcpParts();
    await using http = await serveMcpHttp({ build, sessionIdleSeconds: 600, clock });
    const idle = await openSession(http.url);
    const listening = await openSession(http.url);
    const leave = new AbortController();
    const stream = await fetch(http.url, {
      headers: { accept: "text/event-stream", "mcp-session-id": listening },
      signal: leave.signal,
    });
    assert.equal(stream.status, 200);
    await clock.advance(599_000);
    assert.equal(http.handler.sessions, 2);
    await clock.advance(1000);
    assert.equal(http.handler.sessions, 1);
    const list = { jsonrpc: "2.0", id: 2, method: "tools/list" };
    const gone = await post(http.url, list, { "mcp-session-id": idle });
    assert.equal(gone.status, 404);
    assert.deepEqual(errorOf(gone), { code: -32001, message: "Session not found" });
    assert.equal((await post(http.url, list, { "mcp-session-id": listening })).status, 200);
    leave.abort();
    await assert.rejects(stream.text());
    await until(async () => {
      await clock.advance(600_000);
      return http.handler.sessions === 0;
    });
  });

  test("counts sessions that begin at the same time", async () => {
    const { build } = createMcpParts();
    await using http = await serveMcpHttp({ build, maxSessions: 3 });
    const answers = await Promise.all(Array.from({ length: 12 }, async () => post(http.url, INITIALIZE)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 3);
    assert.equal(answers.filter(({ status }) => status === 503).length, 9);
    const unacceptable = await post(http.url, INITIALIZE, { accept: "text/html" });
    assert.equal(unacceptable.status, 503);
    assert.equal(http.handler.sessions, 3);
  });

  test("keeps no session that could not begin", async () => {
    const { build } = createMcpParts();
    await using http = await serveMcpHttp({ build });
    assert.equal((await post(http.url, INITIALIZE, { accept: "text/html" })).status, 406);
    assert.equal(http.handler.sessions, 0);
  });

  test("takes turns between sessions, and between addresses without one", async () => {
    const clientIds: string[] = [];
    const parts = createMcpParts();
    const build: typeof parts.build = (connection) => {
      clientIds.push(`${connection.era} ${connection.clientId}`);
      return parts.build(connection);
    };
    await using http = await serveMcpHttp({ build });
    const sessionId = await openSession(http.url);
    assert.deepEqual(clientIds, [`legacy session:${sessionId}`]);
    const client = await connectMcpHttp(http.url, "modern");
    await client.listTools();
    assert.deepEqual(new Set(clientIds.slice(1)), new Set(["modern address:127.0.0.1"]));
    await client.close();
  });

  test("answers deeply nested arguments with an error result in both eras", async () => {
    const parts = createMcpParts();
    await using http = await serveMcpHttp({ build: parts.build });
    const sessionId = await openSession(http.url);
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const text = (meta: string): string =>
      `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"generate_image","arguments":{"prompt":"x","width":${deep}}${meta}}}`;
    const legacy = await post(http.url, text(""), { "mcp-session-id": sessionId });
    const envelope = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}`;
    const modern = await post(http.url, text(`,"_meta":{${envelope}}`), {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "generate_image",
    });
    for (const answer of [legacy, modern]) {
      assert.equal(answer.status, 200);
      assert.equal(messagesOf(answer.text).at(-1)?.result?.isError, true);
    }
    assert.deepEqual(parts.generator.generateImageCalls, []);
  });

  test("says nothing in the log when a client leaves before its body is whole", async () => {
    const lines: string[] = [];
    configureLogging({ service: "test", level: "INFO", destination: { write: (line) => void lines.push(line) } });
    const { build } = createMcpParts();
    await using http = await serveMcpHttp({ build });
    const served = once(http.server, "request");
    const req = httpRequest(http.url, { method: "POST", headers: { "content-type": "application/json" } });
    req.on("error", () => undefined);
    req.write('{"jsonrpc":');
    const [, response] = await served;
    req.destroy();
    await once(response, "close");
    await openSession(http.url);
    assert.deepEqual(lines, []);
  });

  test("ends a session by DELETE and cancels what it still does", async () => {
    const parts = createMcpParts();
    await using http = await serveMcpHttp({ build: parts.build });
    const sessionId = await openSession(http.url);
    parts.generator.hold();
    const call = post(http.url, callOf(2), { "mcp-session-id": sessionId });
    await parts.generator.started();
    const ended = await fetch(http.url, { method: "DELETE", headers: { "mcp-session-id": sessionId } });
    assert.equal(ended.status, 200);
    assert.deepEqual(messagesOf((await call).text), []);
    await until(() => parts.generator.cancelled.length === 1);
    assert.equal(http.handler.sessions, 0);
    const again = await fetch(http.url, { method: "DELETE", headers: { "mcp-session-id": sessionId } });
    assert.equal(again.status, 404);
  });

  test("refuses what is not a JSON-RPC request in JSON, before anything is built", async () => {
    let built = 0;
    const parts = createMcpParts();
    const build: typeof parts.build = (connection) => {
      built++;
      return parts.build(connection);
    };
    await using http = await serveMcpHttp({ build, maxBodyBytes: 1000 });
    const nested = "[".repeat(900);
    for (const [body, headers, status, code] of [
      ["{", {}, 400, -32700],
      ["", {}, 400, -32700],
      [nested, {}, 400, -32700],
      ["\u{feff}nonsense", {}, 400, -32700],
      [`{"pad":"${"x".repeat(1000)}"}`, {}, 413, -32000],
      ["{}", { "content-type": "text/plain" }, 415, -32000],
      ["null", {}, 400, -32600],
      ["[]", {}, 400, -32600],
      [JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }), {}, 400, -32000],
      [JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }), { "mcp-session-id": "unknown" }, 404, -32001],
    ] as const) {
      const refused = await post(http.url, body, { ...headers });
      assert.deepEqual([refused.status, errorOf(refused).code], [status, code], `for ${body.slice(0, 40)}`);
    }
    assert.equal((await fetch(http.url, { method: "PUT", body: "x" })).status, 405);
    assert.equal((await fetch(http.url)).status, 400);
    assert.equal(built, 0);
  });

  test("stops reading a body without a length when it grows too large", async () => {
    const { build } = createMcpParts();
    await using http = await serveMcpHttp({ build, maxBodyBytes: 1000 });
    const req = httpRequest(http.url, { method: "POST", headers: { "content-type": "application/json" } });
    req.on("error", () => undefined);
    req.write("x".repeat(2000));
    const [response] = await once(req, "response");
    assert.equal(response.statusCode, 413);
    assert.equal(response.headers.connection, "close");
    response.resume();
    req.destroy();
  });
});

/** Resolves when the condition holds; the test runner's timeout is the limit. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await nextTurn();
}
