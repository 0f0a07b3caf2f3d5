import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer as createHttp } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import { startLoadedServer, toOutcome, type LogEntry } from "./support/loaded-server.ts";
import { connectMcpHttp, createMcpClient, ERAS } from "./support/mcp-clients.ts";
import { COMMAND, freshEnvironment, ServerProcess, TemporaryFolder } from "./support/server-process.ts";

const ARGUMENTS = { prompt: "a very secret cat", width: 64, height: 64 };
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

describe("METRICS_PORT", () => {
  test("moves /metrics to a port of its own, which gives nothing else", async () => {
    await using server = await startLoadedServer({ METRICS_PORT: "0" });
    const port = server.log.find(({ event }) => event === "metrics_served")?.["port"];
    const metrics = await fetch(`http://127.0.0.1:${String(port)}/metrics`);
    assert.equal(metrics.status, 200);
    assert.match(await metrics.text(), /^image_queue_depth 0$/m);
    assert.equal((await fetch(`http://127.0.0.1:${String(port)}/images/`)).status, 404);
    assert.equal((await fetch(`${server.url}/metrics`)).status, 404);
  });
});

describe("AUDIT_LOG", () => {
  for (const [mode, prompts] of [
    ["on", [undefined, undefined, undefined]],
    ["prompts", [ARGUMENTS.prompt, undefined, undefined]],
  ] as const) {
    test(`${mode} tells who made, viewed and deleted which picture`, async () => {
      await using server = await startLoadedServer({
        AUDIT_LOG: mode,
        AUTH_MODE: "token",
        API_KEYS: "alice:alice-0123456789abcdefghij",
      });
      const token = "alice-0123456789abcdefghij";
      const client = await server.connect("modern", token);
      const outcome = toOutcome(await client.callTool({ name: "generate_image", arguments: ARGUMENTS }));
      await client.close();
      assert.ok("imageId" in outcome);
      const headers = { authorization: `Bearer ${token}` };
      await (await fetch(`${server.url}/images/${outcome.imageId}`, { headers })).arrayBuffer();
      await fetch(`${server.url}/images/${outcome.imageId}`, { method: "DELETE", headers });
      const lines = server.log.filter(({ component }) => component === "audit");
      assert.deepEqual(
        lines.map((line) => [line["action"], line["principal"], line["image_id"]]),
        ["generate", "view", "delete"].map((action) => [action, "key:alice", outcome.imageId]),
      );
      assert.deepEqual(
        lines.map((line) => line["prompt"]),
        prompts,
      );
    });
  }

  test("is silent by default, and so is the access log", async () => {
    await using server = await startLoadedServer();
    await (await fetch(`${server.url}/images/`)).text();
    assert.deepEqual(
      server.log.filter(({ event }) => event === "image_audited" || event === "request_answered"),
      [],
    );
  });
});

test("ACCESS_LOG writes a line for each request, without its query", async () => {
  await using server = await startLoadedServer({ ACCESS_LOG: "true" });
  await (await fetch(`${server.url}/images/?prefix=img_secret`)).text();
  const lines = server.log.filter(({ event }) => event === "request_answered");
  assert.deepEqual(
    lines.map(({ method, path, status, client }) => [method, path, status, client]),
    [["GET", "/images/", 200, "address:127.0.0.1"]],
  );
  assert.doesNotMatch(JSON.stringify(server.log), /img_secret/);
});

test("DRAIN_DELAY keeps a server at work after SIGTERM while /readyz says no", async () => {
  await using runtime = await FakeKServeRuntime.start();
  using home = new TemporaryFolder();
  await using server = await ServerProcess.start({
    home: home.path,
    settings: { KSERVE_ENDPOINT: runtime.url, DRAIN_DELAY: "2" },
  });
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  const ended = once(server.child, "exit");
  server.child.kill("SIGTERM");
  while (!server.logLines.some(({ event }) => event === "server_retiring")) await once(server.child.stderr, "data");
  const ready = await fetch(`${server.url}/readyz`);
  assert.equal(ready.status, 503);
  assert.equal(((await ready.json()) as { status: string }).status, "draining");
  const client = await connectMcpHttp(new URL(`${server.url}/mcp`), "modern");
  const outcome = toOutcome(await client.callTool({ name: "generate_image", arguments: ARGUMENTS }));
  assert.ok("imageId" in outcome, "work is still taken");
  await client.close();
  assert.deepEqual(await ended, [0, null]);
});

test("serve says loudly that everybody may use it, unless somebody meant it", async () => {
  await using runtime = await FakeKServeRuntime.start();
  using home = new TemporaryFolder();
  const warningsOf = async (settings: Record<string, string>): Promise<readonly LogEntry[]> => {
    const all = { KSERVE_ENDPOINT: runtime.url, STORAGE_PATH: `${home.path}/images`, ...settings };
    await using server = await ServerProcess.start({ home: home.path, settings: all }, ["serve"]);
    await server.stop();
    return server.logLines.filter(({ event }) => event === "server_open_to_everybody");
  };
  const [warning, ...more] = await warningsOf({ HOST: "0.0.0.0" });
  assert.equal(warning?.["level"], "warning");
  assert.match(String(warning?.["message"]), /AUTH_MODE=token/);
  assert.deepEqual(more, []);
  assert.deepEqual(await warningsOf({ HOST: "0.0.0.0", AUTH_MODE: "none" }), []);
  assert.deepEqual(await warningsOf({ HOST: "127.0.0.1" }), []);
});

describe("Traces", () => {
  for (const era of ERAS) {
    test(`a ${era} caller's trace context goes on to the model server`, async () => {
      await using server = await startLoadedServer();
      const client = await server.connect(era);
      await client.callTool({ name: "generate_image", arguments: ARGUMENTS, _meta: { traceparent: TRACEPARENT } });
      await client.callTool({ name: "generate_image", arguments: ARGUMENTS, _meta: { traceparent: "evil\r\nx: y" } });
      await client.close();
      assert.deepEqual(
        server.runtime.posts.map(({ headers }) => headers["traceparent"]),
        [TRACEPARENT, undefined],
      );
    });
  }

  test("are sent where the usual variables say, as children of the caller's span", async () => {
    await using runtime = await FakeKServeRuntime.start();
    using home = new TemporaryFolder();
    await using collector = await startCollector();
    await using server = await ServerProcess.start({
      home: home.path,
      settings: { KSERVE_ENDPOINT: runtime.url, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    });
    const client = await connectMcpHttp(new URL(`${server.url}/mcp`), "modern");
    await client.callTool({ name: "generate_image", arguments: ARGUMENTS, _meta: { traceparent: TRACEPARENT } });
    await client.close();
    assert.equal(await server.stop(), 0);
    const text = collector.text();
    for (const name of [
      "tools/call generate_image",
      "generate_content",
      "execute_tool",
      "mcp.server.operation.duration",
    ]) {
      assert.ok(text.includes(name), name);
    }
    assert.ok(text.includes(Buffer.from(TRACE_ID, "hex").toString("latin1")), "the caller's trace");
    assert.ok(!text.includes(ARGUMENTS.prompt), "no prompt");
    const sent = String(runtime.posts[0]?.headers["traceparent"]);
    assert.match(sent, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
    assert.notEqual(sent, TRACEPARENT, "our own span is the parent now");
  });

  for (const era of ERAS) {
    test(`of calls over stdio are sent as those over HTTP, ${era} era`, async () => {
      await using runtime = await FakeKServeRuntime.start();
      await using collector = await startCollector();
      using home = new TemporaryFolder();
      const settings = {
        KSERVE_ENDPOINT: runtime.url,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        // At once: a client does not wait long for a server to end.
        OTEL_BSP_SCHEDULE_DELAY: "50",
        OTEL_METRIC_EXPORT_INTERVAL: "200",
        OTEL_METRIC_EXPORT_TIMEOUT: "200",
      };
      const client = createMcpClient(era);
      const env = freshEnvironment(home.path, settings);
      await client.connect(
        new StdioClientTransport({ command: process.execPath, args: [COMMAND], env, cwd: home.path, stderr: "ignore" }),
      );
      await client.callTool({ name: "generate_image", arguments: ARGUMENTS, _meta: { traceparent: TRACEPARENT } });
      const names = ["tools/call generate_image", "generate_content", "pipe", "mcp.server.operation.duration"];
      for (const name of names) await collector.waitFor(name);
      await client.close();
      assert.ok(!collector.text().includes(ARGUMENTS.prompt), "no prompt");
      const sent = String(runtime.posts[0]?.headers["traceparent"]);
      assert.match(sent, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
      assert.notEqual(sent, TRACEPARENT, "our own span is the parent now");
    });

    test(`a ${era} caller's trace context goes on to the model server over stdio`, async () => {
      await using runtime = await FakeKServeRuntime.start();
      using home = new TemporaryFolder();
      const client = createMcpClient(era);
      const env = freshEnvironment(home.path, { KSERVE_ENDPOINT: runtime.url });
      await client.connect(
        new StdioClientTransport({ command: process.execPath, args: [COMMAND], env, cwd: home.path, stderr: "ignore" }),
      );
      await client.callTool({ name: "generate_image", arguments: ARGUMENTS, _meta: { traceparent: TRACEPARENT } });
      await client.close();
      assert.equal(runtime.posts[0]?.headers["traceparent"], TRACEPARENT);
    });
  }
});

/** Takes what OpenTelemetry sends, and answers that all is well. */
async function startCollector() {
  const received: Buffer[] = [];
  const news = new EventEmitter();
  const collector = createHttp((request, response) => {
    request.on("data", (chunk: Buffer) => received.push(chunk));
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
      news.emit("received");
    });
  }).listen(0, "127.0.0.1");
  await once(collector, "listening");
  const { port } = collector.address() as AddressInfo;
  const text = (): string => Buffer.concat(received).toString("latin1");
  return {
    url: `http://127.0.0.1:${port}`,
    text,
    waitFor: async (words: string): Promise<void> => {
      while (!text().includes(words)) await once(news, "received");
    },
    [Symbol.asyncDispose]: async () => {
      collector.closeAllConnections();
      collector.close();
    },
  };
}
