import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { StreamableHTTPClientTransport, type Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import { startLoadedServer } from "./support/loaded-server.ts";
import { connectMcpHttp, createMcpClient, ERAS, type Era } from "./support/mcp-clients.ts";
import { startOtlpCollector, type OtlpSpan } from "./support/otlp-collector.ts";
import { COMMAND, freshEnvironment, ServerProcess, TemporaryFolder } from "./support/server-process.ts";

const ARGUMENTS = { prompt: "a very secret cat", width: 64, height: 64 };
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;
/** Telemetry goes out at once: a client does not wait long for a server to end. */
const SENT_AT_ONCE = {
  OTEL_BSP_SCHEDULE_DELAY: "50",
  OTEL_METRIC_EXPORT_INTERVAL: "200",
  OTEL_METRIC_EXPORT_TIMEOUT: "200",
};
const VERSIONS: Readonly<Record<Era, string>> = { legacy: "2025-11-25", modern: "2026-07-28" };

async function connectStdio(
  t: TestContext,
  era: Era,
  home: TemporaryFolder,
  settings: Readonly<Record<string, string>>,
) {
  const client = createMcpClient(era);
  t.after(async () => client.close());
  const env = freshEnvironment(home.path, settings);
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [COMMAND], env, cwd: home.path, stderr: "ignore" }),
  );
  return client;
}

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
    await using collector = await startOtlpCollector();
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
    test(`of calls over stdio are sent as those over HTTP, ${era} era`, async (t) => {
      await using runtime = await FakeKServeRuntime.start();
      await using collector = await startOtlpCollector();
      using home = new TemporaryFolder();
      const settings = {
        KSERVE_ENDPOINT: runtime.url,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        ...SENT_AT_ONCE,
      };
      const client = await connectStdio(t, era, home, settings);
      await client.callTool({ name: "generate_image", arguments: ARGUMENTS, _meta: { traceparent: TRACEPARENT } });
      const names = ["tools/call generate_image", "generate_content", "pipe", "mcp.server.operation.duration"];
      for (const name of names) await collector.waitFor(name);
      await client.close();
      assert.ok(!collector.text().includes(ARGUMENTS.prompt), "no prompt");
      const sent = String(runtime.posts[0]?.headers["traceparent"]);
      assert.match(sent, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
      assert.notEqual(sent, TRACEPARENT, "our own span is the parent now");
    });

    test(`a ${era} caller's trace context goes on to the model server over stdio`, async (t) => {
      await using runtime = await FakeKServeRuntime.start();
      using home = new TemporaryFolder();
      const client = await connectStdio(t, era, home, { KSERVE_ENDPOINT: runtime.url });
      await client.callTool({ name: "generate_image", arguments: ARGUMENTS, _meta: { traceparent: TRACEPARENT } });
      await client.close();
      assert.equal(runtime.posts[0]?.headers["traceparent"], TRACEPARENT);
    });
  }
});

describe("Spans", () => {
  for (const era of ERAS) {
    for (const transport of ["http", "stdio"] as const) {
      test(`of ${era} calls over ${transport} tell by the conventions what was called and what failed`, async (t) => {
        await using runtime = await FakeKServeRuntime.start({ modelNames: ["sdxl"] });
        await using collector = await startOtlpCollector();
        using home = new TemporaryFolder();
        const settings = {
          KSERVE_ENDPOINT: runtime.url,
          KSERVE_MODEL_NAME: "sdxl",
          KSERVE_MAX_RETRIES: "0",
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
          ...SENT_AT_ONCE,
        };
        await using server =
          transport === "http" ? await ServerProcess.start({ home: home.path, settings }) : undefined;
        const client = server
          ? await connectMcpHttp(new URL(`${server.url}/mcp`), era)
          : await connectStdio(t, era, home, settings);
        await callAndFail(client, runtime);
        const spans = await collector.waitForSpans((span) => span.name === "prompts/get");
        await client.close();

        const own = {
          ...(transport === "http"
            ? { "network.transport": "tcp", "network.protocol.name": "http", "network.protocol.version": "1.1" }
            : { "network.transport": "pipe" }),
          "mcp.protocol.version": VERSIONS[era],
        };
        const tool = { "mcp.method.name": "tools/call", "gen_ai.operation.name": "execute_tool" };
        const generate = { ...tool, "gen_ai.tool.name": "generate_image" };
        const failedBy = (code: string) => ({ "error.type": code, "rpc.response.status_code": code });
        const uri = { "mcp.resource.uri": "image://img_00000000000000000000000000" };
        assert.deepEqual(
          spans.filter(isCall).map((span) => withoutIds(span)),
          [
            { name: "tools/call generate_image", failed: false, attributes: { ...own, ...generate } },
            {
              name: "tools/call generate_image",
              failed: true,
              attributes: { ...own, ...generate, "error.type": "tool_error" },
            },
            {
              name: "tools/call generate_image",
              failed: true,
              attributes: { ...own, ...generate, "error.type": "tool_error" },
            },
            {
              name: "tools/call",
              failed: true,
              attributes: { ...own, "mcp.method.name": "tools/call", ...failedBy("-32602") },
            },
            {
              name: "resources/read",
              failed: true,
              attributes: {
                ...own,
                ...uri,
                "mcp.method.name": "resources/read",
                ...failedBy("-32602"),
              },
            },
            {
              name: "prompts/get",
              failed: true,
              attributes: { ...own, "mcp.method.name": "prompts/get", ...failedBy("-32602") },
            },
          ],
        );
        const calls = spans.filter(isCall);
        assert.equal(new Set(calls.map(({ attributes }) => attributes["jsonrpc.request.id"])).size, calls.length);
        const sessions = new Set(calls.map(({ attributes }) => attributes["mcp.session.id"]));
        assert.equal(sessions.size, 1);
        assert.equal(typeof [...sessions][0], era === "legacy" && transport === "http" ? "string" : "undefined");

        const { hostname, port } = new URL(runtime.url);
        const model = {
          "gen_ai.operation.name": "generate_content",
          "gen_ai.provider.name": "kserve",
          "gen_ai.output.type": "image",
          "gen_ai.request.model": "sdxl",
          "gen_ai.request.seed": 7,
          "server.address": hostname,
          "server.port": Number(port),
        };
        assert.deepEqual(
          spans
            .filter(({ kind }) => kind === "client")
            .map(({ name, failed, attributes }) => ({ name, failed, attributes })),
          [
            { name: "generate_content sdxl", failed: false, attributes: model },
            { name: "generate_content sdxl", failed: true, attributes: { ...model, "error.type": "upstream_error" } },
          ],
        );
        assert.ok(!collector.text().includes(ARGUMENTS.prompt), "no prompt");
      });
    }
  }

  test("are children of the caller's span, and linked with that of a gateway", async () => {
    await using traced = await startTraced();
    const { server, collector } = traced;
    const gateway = "0af7651916cd43dd8448eb211c80319c";
    const client = createMcpClient("modern");
    const requestInit = { headers: { traceparent: `00-${gateway}-b7ad6b7169203331-01` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`), { requestInit }));
    await client.listTools();
    await client.callTool({ name: "generate_image", arguments: ARGUMENTS, _meta: { traceparent: TRACEPARENT } });
    const spans = await collector.waitForSpans(({ name }) => name === "tools/call generate_image");
    await client.close();
    const call = spans.find(({ name }) => name === "tools/call generate_image");
    assert.deepEqual(
      [call?.traceId, call?.parentSpanId, call?.linkedTraces],
      [TRACE_ID, "00f067aa0ba902b7", [gateway]],
    );
    const other = spans.find(({ name }) => name === "tools/list");
    assert.deepEqual([other?.traceId, other?.linkedTraces], [gateway, []]);
  });

  test("of a session tell its id and what was agreed on from its first call on", async () => {
    await using traced = await startTraced();
    const { server, collector } = traced;
    const client = await connectMcpHttp(new URL(`${server.url}/mcp`), "legacy");
    await client.listTools();
    const spans = await collector.waitForSpans(({ name }) => name === "tools/list");
    await client.close();
    const [first, second] = spans.map(({ attributes }) => attributes);
    assert.equal(first?.["mcp.method.name"], "initialize");
    assert.equal(first?.["mcp.protocol.version"], "2025-11-25");
    assert.match(String(first?.["mcp.session.id"]), /^[\w-]{32}$/);
    assert.equal(second?.["mcp.session.id"], first?.["mcp.session.id"]);
  });
});

/** A server over HTTP whose spans are read as JSON. */
async function startTraced(): Promise<
  AsyncDisposable & {
    readonly server: ServerProcess;
    readonly collector: Awaited<ReturnType<typeof startOtlpCollector>>;
  }
> {
  await using stack = new AsyncDisposableStack();
  const runtime = stack.use(await FakeKServeRuntime.start());
  const collector = stack.use(await startOtlpCollector());
  const home = stack.use(new TemporaryFolder());
  const settings = {
    KSERVE_ENDPOINT: runtime.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    ...SENT_AT_ONCE,
  };
  const server = stack.use(await ServerProcess.start({ home: home.path, settings }));
  const all = stack.move();
  return { server, collector, [Symbol.asyncDispose]: async () => all.disposeAsync() };
}

/** Calls that succeed and that fail in every way, one after the other. */
async function callAndFail(client: Client, runtime: FakeKServeRuntime): Promise<void> {
  const call = async (more: Record<string, unknown>) =>
    client.callTool({ name: "generate_image", arguments: { ...ARGUMENTS, seed: 7, ...more } });
  assert.notEqual((await call({})).isError, true);
  runtime.script({ kind: "answer", answer: { status: 500, body: '{"error":"out of paint"}' } });
  assert.equal((await call({})).isError, true);
  assert.equal((await call({ width: 1 })).isError, true);
  await assert.rejects(client.callTool({ name: "a_stranger", arguments: {} }));
  await assert.rejects(client.readResource({ uri: "image://img_00000000000000000000000000" }));
  await assert.rejects(client.getPrompt({ name: "a_stranger" }));
}

/** Not what a client asks for by itself. */
function isCall({ kind, name }: OtlpSpan): boolean {
  return kind === "server" && !["initialize", "server/discover", "tools/list"].includes(name);
}

function withoutIds({ name, failed, attributes }: OtlpSpan) {
  const { "jsonrpc.request.id": _request, "mcp.session.id": _session, ...rest } = attributes;
  return { name, failed, attributes: rest };
}
