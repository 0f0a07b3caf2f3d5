import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/server";
import { PassThroughTracing, type ServedCall } from "../telemetry/tracing.ts";
import { toServedCall } from "./served-call.ts";
import { TracedTransport } from "./traced-transport.ts";

const TOOLS = new Set(["generate_image"]);

/** Tells which calls have begun and which have ended, and hands their trace context on. */
class RecordedTracing extends PassThroughTracing {
  readonly events: string[] = [];

  override async serve<Result>(call: ServedCall, work: () => Promise<Result>): Promise<Result> {
    this.events.push(`begin ${call.name}`);
    return super.serve(call, work).finally(() => this.events.push(`end ${call.name}`));
  }
}

async function createBench() {
  const tracing = new RecordedTracing();
  const sent: JSONRPCMessage[] = [];
  const channel: Transport = {
    start: async () => undefined,
    send: async (message) => void sent.push(message),
    close: async () => channel.onclose?.(),
  };
  const transport = new TracedTransport({
    transport: channel,
    tracing,
    toServedCall: (body, protocolVersion) =>
      toServedCall({ body, carrier: { kind: "stdio", protocolVersion }, tools: TOOLS }),
  });
  const received: JSONRPCMessage[] = [];
  Object.assign(transport, { onmessage: (message: JSONRPCMessage) => void received.push(message) });
  await transport.start();
  const receive = (message: { id?: string | number; method: string; params?: Record<string, unknown> }): void => {
    channel.onmessage?.({ jsonrpc: "2.0", ...message });
  };
  return { transport, tracing, sent, received, receive };
}

const call = (id: number, seed = 0) => {
  const traceparent = `00-${"a".repeat(32)}-${String(seed).padStart(16, "0")}-01`;
  return { id, method: "tools/call", params: { name: "generate_image", arguments: {}, _meta: { traceparent } } };
};

describe("TracedTransport", () => {
  test("makes a request a served call until its answer is sent", async () => {
    const { transport, tracing, sent, received, receive } = await createBench();
    receive(call(1));
    assert.equal(received.length, 1);
    await transport.send({
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: { progress: 1, progressToken: 1 },
    });
    await turn();
    assert.deepEqual(tracing.events, ["begin tools/call generate_image"]);
    await transport.send({ jsonrpc: "2.0", id: 1, result: {} });
    await turn();
    assert.deepEqual(tracing.events, ["begin tools/call generate_image", "end tools/call generate_image"]);
    assert.equal(sent.length, 2);
  });

  test("ends the call of an error, of a cancelled request and of a connection that closes", async () => {
    const { transport, tracing, receive } = await createBench();
    receive({ id: 1, method: "resources/read", params: { uri: "image://x" } });
    receive({ id: "b", method: "an/unknown\nmethod" });
    receive({ id: 3, method: "ping" });
    await transport.send({ jsonrpc: "2.0", id: 1, error: { code: -32602, message: "no" } });
    await turn();
    receive({ method: "notifications/cancelled", params: { requestId: "b" } });
    await turn();
    await transport.close();
    await turn();
    assert.deepEqual(tracing.events, [
      "begin resources/read",
      "begin other",
      "begin ping",
      "end resources/read",
      "end other",
      "end ping",
    ]);
  });

  test("gives each of the requests that come together its own trace context", async () => {
    const { transport, tracing, receive } = await createBench();
    const contexts: unknown[] = [];
    const onmessage = (message: JSONRPCMessage): void => {
      void (async () => {
        await turn();
        await tracing.send({ name: "x", attributes: {} }, async (traceparent) => contexts.push(traceparent?.slice(-5)));
        if ("id" in message && message.id !== undefined)
          await transport.send({ jsonrpc: "2.0", id: message.id, result: {} });
      })();
    };
    Object.assign(transport, { onmessage });
    receive(call(1, 11));
    receive(call(2, 22));
    receive({ id: 3, method: "tools/call", params: { name: "evil", _meta: { traceparent: "x\r\ny" } } });
    while (tracing.events.length < 6) await turn();
    assert.deepEqual(contexts, ["11-01", "22-01", undefined]);
    assert.deepEqual(tracing.events.slice(0, 3), [
      "begin tools/call generate_image",
      "begin tools/call generate_image",
      "begin tools/call",
    ]);
  });
});

async function turn(): Promise<void> {
  await new Promise(setImmediate);
}
