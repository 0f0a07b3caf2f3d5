import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import {
  deserializeMessage,
  serializeMessage,
  StreamableHTTPClientTransport,
  type Client,
  type ClientCapabilities,
  type Transport,
} from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { toCaller, UNNAMED } from "../src/access/principal.ts";
import { isJsonObject, type JsonObject } from "../src/core/json.ts";
import { serveMcpStdio } from "../src/mcp/serve-mcp-stdio.ts";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import { startLoadedServer } from "./support/loaded-server.ts";
import { createMcpClient, serveMcpHttp } from "./support/mcp-clients.ts";
import { createMcpParts } from "./support/mcp-parts.ts";
import { COMMAND, freshEnvironment, TemporaryFolder } from "./support/server-process.ts";

const EXTENSION = "io.modelcontextprotocol/tasks";
const PICTURE = { prompt: "a red boat", width: 64, height: 64, seed: 7 };
const UNKNOWN_ID = "img_00000000000000000000000000";
const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

type Filter = Parameters<Client["listen"]>[0];

/** The filter of a client that knows the extension, for a client's types that do not. */
function withTasks(taskIds: readonly string[], more: Filter = {}): Filter {
  return Object.assign({ taskIds }, more);
}

/** Everything that the client is told, in turn. */
function hear(client: Client): AsyncGenerator<JsonObject> {
  const heard: JsonObject[] = [];
  let wake = (): void => undefined;
  client.fallbackNotificationHandler = async ({ method, params }) => {
    heard.push({ method, ...(params as JsonObject) });
    wake();
  };
  return (async function* () {
    for (;;) {
      const next = heard.shift();
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  })();
}

async function next(news: AsyncGenerator<JsonObject>): Promise<JsonObject> {
  const { value } = await news.next();
  assert.ok(isJsonObject(value));
  return value;
}

async function collect(events: AsyncIterable<JsonObject>): Promise<JsonObject[]> {
  const all: JsonObject[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Servers and clients of this process, joined by the transport. */
const TRANSPORTS = {
  http: async (parts: ReturnType<typeof createMcpParts>) => {
    const server = await serveMcpHttp(parts);
    return {
      connect: async (client: Client) => client.connect(new StreamableHTTPClientTransport(server.url)),
      stop: async () => server.stop(),
    };
  },
  stdio: async (parts: ReturnType<typeof createMcpParts>) => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const connection = serveMcpStdio({ ...parts, input, output });
    return {
      connect: async (client: Client) => client.connect(joinStreams(output, input)),
      stop: async () => connection.close(),
    };
  },
} as const;

/** The client's end of the standard streams of a server. */
function joinStreams(input: PassThrough, output: PassThrough): Transport {
  let rest = "";
  const transport: Transport = {
    start: async () => {
      input.on("data", (chunk: Buffer) => {
        const lines = (rest + String(chunk)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) transport.onmessage?.(deserializeMessage(line));
      });
    },
    send: async (message) => void output.write(serializeMessage(message)),
    close: async () => transport.onclose?.(),
  };
  return transport;
}

for (const [transport, serve] of Object.entries(TRANSPORTS)) {
  describe(`News of tasks over ${transport}`, () => {
    async function open(capabilities = { extensions: { [EXTENSION]: {} } }) {
      const parts = createMcpParts({ hasTasks: true });
      const server = await serve(parts);
      const client = createMcpClient("modern", capabilities);
      await server.connect(client);
      const begin = async (): Promise<string> =>
        (await parts.images.generate(PICTURE, { clientId: "test", maxWaitMs: 0 })).image_id;
      return {
        ...parts,
        client,
        begin,
        news: hear(client),
        [Symbol.asyncDispose]: async () => {
          parts.generator.release();
          await client.close();
          await server.stop();
        },
      };
    }

    test("tell how a task is and how it ends", async () => {
      await using bench = await open();
      bench.generator.hold();
      const taskId = await bench.begin();
      const subscription = await bench.client.listen(withTasks([taskId, UNKNOWN_ID]));
      const first = await next(bench.news);
      assert.partialDeepStrictEqual(first, {
        method: "notifications/tasks",
        taskId,
        status: "working",
        pollIntervalMs: 2000,
      });
      assert.ok(isJsonObject(first["_meta"]));
      assert.equal(typeof first["_meta"]["io.modelcontextprotocol/subscriptionId"], "string");
      bench.generator.release();
      let last = await next(bench.news);
      while (last["status"] === "working") last = await next(bench.news);
      const { method: _method, _meta, ...task } = last;
      assert.partialDeepStrictEqual(task, {
        taskId,
        status: "completed",
        result: { structuredContent: { image_id: taskId, metadata: { seed: 7 } } },
      });
      await subscription.close();
    });

    test("tell of a task that has ended already, so that nobody waits for it", async () => {
      await using bench = await open();
      const { image_id: taskId } = await bench.images.generate(PICTURE, { clientId: "test" });
      await bench.client.listen(withTasks([taskId]));
      assert.partialDeepStrictEqual(await next(bench.news), { taskId, status: "completed" });
    });

    test("tell of a cancel", async () => {
      await using bench = await open();
      bench.generator.hold();
      const taskId = await bench.begin();
      await bench.generator.started();
      await bench.client.listen(withTasks([taskId]));
      assert.partialDeepStrictEqual(await next(bench.news), { status: "working" });
      await bench.images.cancelJob(taskId);
      let last = await next(bench.news);
      while (last["status"] === "working") last = await next(bench.news);
      assert.partialDeepStrictEqual(last, { taskId, status: "cancelled" });
    });

    test("come beside other news, and end with the subscription", async () => {
      await using bench = await open();
      bench.generator.hold();
      const taskId = await bench.begin();
      await bench.generator.started();
      const uri = `image://${taskId}`;
      const subscription = await bench.client.listen(withTasks([taskId], { resourceSubscriptions: [uri] }));
      assert.deepEqual(subscription.honoredFilter, { resourceSubscriptions: [uri] });
      assert.partialDeepStrictEqual(await next(bench.news), { status: "working" });
      await subscription.close();
      bench.generator.release();
      await bench.images.waitForImage(taskId);
      const { image_id: other } = await bench.images.generate(PICTURE, { clientId: "test" });
      await bench.client.listen(withTasks([other]));
      assert.partialDeepStrictEqual(await next(bench.news), { taskId: other }, "nothing of the first one");
    });

    test("are refused to a client that does not declare tasks, other news are not", async () => {
      await using bench = await open({ extensions: {} } as never);
      await assert.rejects(bench.client.listen(withTasks([UNKNOWN_ID])), {
        code: -32_021,
        data: { requiredCapabilities: { extensions: { [EXTENSION]: {} } } },
      });
      const other = await bench.client.listen({ resourcesListChanged: true });
      assert.deepEqual(other.honoredFilter, { resourcesListChanged: true });
      await other.close();
    });

    test("are refused for ids that are none", async () => {
      await using bench = await open();
      await assert.rejects(bench.client.listen(withTasks([7] as never)), { code: -32_602 });
    });
  });
}

describe("News of tasks", () => {
  /** The events of a stream as they come over the wire. */
  async function* listen(url: URL, taskIds: readonly string[], token?: string): AsyncGenerator<JsonObject> {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "subscriptions/listen",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 7,
        method: "subscriptions/listen",
        params: {
          notifications: { taskIds },
          _meta: {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { extensions: { [EXTENSION]: {} } },
          },
        },
      }),
    });
    let rest = "";
    assert.ok(response.body);
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data: ")) yield JSON.parse(line.slice("data: ".length));
    }
  }

  test("are acknowledged for the caller's own tasks alone", async () => {
    const keys = { alice: "alice-0123456789abcdefghij", bob: "bob-0123456789abcdefghij" };
    const API_KEYS = `alice:${keys.alice}\nbob:${keys.bob}`;
    await using server = await startLoadedServer({ MCP_TASKS: "true", AUTH_MODE: "token", API_KEYS });
    const client = await server.connect("modern", keys.alice);
    const { structuredContent } = await client.callTool({ name: "generate_image", arguments: PICTURE });
    const taskId = (structuredContent as { image_id: string }).image_id;
    await client.close();
    const _meta = { "io.modelcontextprotocol/subscriptionId": 7 };
    const own = listen(server.mcpUrl, [UNKNOWN_ID, taskId, taskId], keys.alice);
    const acknowledged = { jsonrpc: "2.0", method: ACKNOWLEDGED };
    assert.deepEqual(await next(own), { ...acknowledged, params: { notifications: { taskIds: [taskId] }, _meta } });
    assert.partialDeepStrictEqual(await next(own), { params: { taskId, status: "completed", _meta } });
    await own.return(undefined);
    const events = await collect(listen(server.mcpUrl, [taskId], keys.bob));
    assert.deepEqual(events[0], { ...acknowledged, params: { notifications: {}, _meta } });
    assert.deepEqual(
      events.slice(1).map(({ id }) => id),
      [7],
      "ended: there is nothing to tell",
    );
  });

  test("reach a client whichever replica draws", async () => {
    using folder = new TemporaryFolder();
    const settings = { MCP_TASKS: "true", STORAGE_PATH: folder.path };
    await using first = await startLoadedServer(settings);
    await using second = await startLoadedServer(settings);
    first.runtime.script({ kind: "hold" });
    const { image_id: taskId } = await first.app.images.generate(PICTURE, { clientId: "test", maxWaitMs: 0 });
    const news = listen(second.mcpUrl, [taskId]);
    assert.partialDeepStrictEqual(await next(news), {
      method: ACKNOWLEDGED,
      params: { notifications: { taskIds: [taskId] } },
    });
    assert.partialDeepStrictEqual(await next(news), { params: { status: "working" } });
    first.runtime.release();
    let last = await next(news);
    while (isJsonObject(last["params"]) && last["params"]["status"] === "working") last = await next(news);
    assert.partialDeepStrictEqual(last, { params: { taskId, status: "completed" } });
    await news.return(undefined);
  });

  test("end with the server, which says so", async () => {
    await using server = await startLoadedServer({ MCP_TASKS: "true" });
    const { image_id: taskId } = await server.app.images.generate(PICTURE, { clientId: "test" });
    const news = listen(server.mcpUrl, [taskId]);
    assert.partialDeepStrictEqual(await next(news), { method: ACKNOWLEDGED });
    assert.partialDeepStrictEqual(await next(news), { params: { status: "completed" } });
    const closing = server.app.close();
    const rest = await collect(news);
    await closing;
    assert.partialDeepStrictEqual(rest.at(-1), { id: 7, result: { resultType: "complete" } });
  });

  test("are told of a thousand tasks at once, and of no more", async () => {
    const { generator, images, newsSources } = createMcpParts({ hasTasks: true });
    generator.hold();
    const { image_id: taskId } = await images.generate(PICTURE, { clientId: "test", maxWaitMs: 0 });
    const _meta = { "io.modelcontextprotocol/clientCapabilities": { extensions: { [EXTENSION]: {} } } };
    const message = { method: "subscriptions/listen", params: { notifications: { taskIds: [taskId] }, _meta } };
    const ended = new AbortController();
    const listen = async (): Promise<JsonObject | undefined> => {
      const news = newsSources[0]?.(message, toCaller(UNNAMED, "test"));
      const agreed = await news?.agree(ended.signal);
      void news?.tell(() => undefined, ended.signal);
      await new Promise(setImmediate);
      return agreed;
    };
    for (let times = 0; times < 1000; times++) assert.deepEqual(await listen(), { taskIds: [taskId] });
    assert.deepEqual(await listen(), {});
    generator.release();
    await images.waitForImage(taskId);
    await new Promise(setImmediate);
    assert.deepEqual(await listen(), { taskIds: [taskId] });
    ended.abort();
  });

  test("are told by the command over stdio", async (t) => {
    await using runtime = await FakeKServeRuntime.start();
    using home = new TemporaryFolder();
    const env = freshEnvironment(home.path, { KSERVE_ENDPOINT: runtime.url, MCP_TASKS: "true" });
    const connect = async (capabilities: ClientCapabilities): Promise<Client> => {
      const client = createMcpClient("modern", capabilities);
      t.after(async () => client.close());
      const args = [COMMAND];
      await client.connect(
        new StdioClientTransport({ command: process.execPath, args, env, cwd: home.path, stderr: "ignore" }),
      );
      return client;
    };
    const plain = await connect({});
    await assert.rejects(plain.listen(withTasks([UNKNOWN_ID])), { code: -32_021 });
    const { structuredContent } = await plain.callTool({ name: "generate_image", arguments: PICTURE });
    const taskId = (structuredContent as { image_id: string }).image_id;
    const client = await connect({ extensions: { [EXTENSION]: {} } });
    const news = hear(client);
    await client.listen(withTasks([taskId]));
    assert.partialDeepStrictEqual(await next(news), { taskId, status: "completed" });
  });
});
