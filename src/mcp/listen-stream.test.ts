import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { listenWithNews } from "./listen-stream.ts";
import type { News, NewsItem } from "./news.ts";

const LISTEN: JsonObject = { jsonrpc: "2.0", id: "a", method: "subscriptions/listen", params: { notifications: {} } };
const HEADERS = { "content-type": "text/event-stream" };

class ScriptedNews implements News {
  send: ((item: NewsItem) => void | Promise<void>) | undefined;
  signal: AbortSignal | undefined;
  readonly #agreed: JsonObject;

  constructor(agreed: JsonObject) {
    this.#agreed = agreed;
  }

  async agree(): Promise<JsonObject> {
    return this.#agreed;
  }

  async tell(send: (item: NewsItem) => void | Promise<void>, signal: AbortSignal): Promise<void> {
    Object.assign(this, { send, signal });
  }
}

/** Acknowledges what it is asked for, as the SDK does. */
function serveAs() {
  const asked: JsonObject[] = [];
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  const push = (document: unknown): void =>
    stream?.enqueue(new TextEncoder().encode(`event: message\ndata: ${JSON.stringify(document)}\n\n`));
  const serve = async (message: JsonObject): Promise<Response> => {
    asked.push(message);
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (stream = controller) });
    push({ method: "acknowledged", params: message["params"] });
    return new Response(body, { headers: HEADERS });
  };
  return { asked, serve, push, end: () => stream?.close() };
}

/** The documents of a stream, one after the other. */
async function* read(response: Response): AsyncGenerator<JsonObject> {
  assert.ok(response.body);
  for await (const chunk of response.body) {
    const document: unknown = JSON.parse(Buffer.from(chunk).toString().split("data: ")[1] ?? "");
    assert.ok(isJsonObject(document));
    yield document;
  }
}

describe("listenWithNews()", () => {
  const { signal: gone } = new AbortController();

  test("keeps a subscription open that asks for nothing else, and says what was agreed to", async () => {
    const sdk = serveAs();
    const news = new ScriptedNews({ taskIds: ["x"] });
    const events = read(await listenWithNews({ news, message: LISTEN, gone, serve: sdk.serve }));
    const { value: first } = await events.next();
    assert.deepEqual(first, { method: "acknowledged", params: { notifications: { taskIds: ["x"] } } });
    const [asked] = sdk.asked;
    assert.match(JSON.stringify(asked), /"resourceSubscriptions":\["[^"]+"\]/);
    await news.send?.({ method: "notifications/tasks", params: { taskId: "x" } });
    const { value: second } = await events.next();
    assert.partialDeepStrictEqual(second, { method: "notifications/tasks", params: { taskId: "x" } });
    sdk.push({ method: "of the SDK" });
    assert.deepEqual((await events.next()).value, { method: "of the SDK" });
    assert.equal(news.signal?.aborted, false);
    sdk.end();
    assert.equal((await events.next()).done, true);
    assert.equal(news.signal?.aborted, true);
    await news.send?.({ method: "too late", params: {} });
  });

  test("leaves alone what else was asked for", async () => {
    const sdk = serveAs();
    const notifications = { resourceSubscriptions: ["image://a"], resourcesListChanged: true };
    const message = { ...LISTEN, params: { notifications } };
    const news = new ScriptedNews({ taskIds: ["x"] });
    const { value } = await read(await listenWithNews({ news, message, gone, serve: sdk.serve })).next();
    assert.deepEqual(value, {
      method: "acknowledged",
      params: { notifications: { ...notifications, taskIds: ["x"] } },
    });
  });

  test("asks for nothing more when nothing was agreed to", async () => {
    const sdk = serveAs();
    const news = new ScriptedNews({});
    await listenWithNews({ news, message: LISTEN, gone, serve: sdk.serve });
    assert.deepEqual(sdk.asked, [LISTEN]);
  });

  test("passes a refusal on as it is", async () => {
    const refusal = Response.json({ error: { code: -32_603 } });
    const news = new ScriptedNews({ taskIds: ["x"] });
    assert.equal(await listenWithNews({ news, message: LISTEN, gone, serve: async () => refusal }), refusal);
    assert.equal(news.send, undefined);
  });

  test("cuts a client off that does not read", async () => {
    const sdk = serveAs();
    const news = new ScriptedNews({ taskIds: ["x"] });
    const response = await listenWithNews({ news, message: LISTEN, gone, serve: sdk.serve });
    const events = read(response);
    await events.next();
    for (let sent = 0; sent < 1100; sent++) await news.send?.({ method: "notifications/tasks", params: {} });
    assert.equal(news.signal?.aborted, true);
    await assert.rejects(async () => {
      for (;;) if ((await events.next()).done === true) return;
    }, /does not read/);
  });
});
