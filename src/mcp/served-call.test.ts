import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { toServedCall, type Carrier } from "./served-call.ts";

const TOOLS = new Set(["generate_image"]);
const STDIO: Carrier = { kind: "stdio" };

describe("toServedCall()", () => {
  test("tells what an older session was agreed on, and what a newer request says of itself", () => {
    const headers = { "mcp-protocol-version": "2025-11-25", "mcp-session-id": "a-session_1" };
    const http: Carrier = { kind: "http", httpVersion: "1.1", headers };
    const body = { id: 7, method: "resources/read", params: { uri: "image://img_1/metadata" } };
    assert.deepEqual(toServedCall({ body, carrier: http, tools: TOOLS }), {
      name: "resources/read",
      traceparent: undefined,
      attributes: {
        "mcp.method.name": "resources/read",
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
      },
      details: {
        "jsonrpc.request.id": "7",
        "mcp.protocol.version": "2025-11-25",
        "mcp.resource.uri": "image://img_1/metadata",
        "mcp.session.id": "a-session_1",
      },
    });
    const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
    const newer = { id: "b", method: "ping", params: { _meta: meta } };
    assert.deepEqual(toServedCall({ body: newer, carrier: STDIO, tools: TOOLS }).details, {
      "jsonrpc.request.id": "b",
      "mcp.protocol.version": "2026-07-28",
    });
  });

  test("makes the caller's trace context the parent, and links that of the request which brought it", () => {
    const [caller, gateway] = ["a", "b"].map((digit) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`);
    const told = (own: string | undefined, header: string | undefined) => {
      const headers = header === undefined ? {} : { traceparent: header };
      const body = { id: 1, method: "ping", params: { _meta: { traceparent: own } } };
      const call = toServedCall({ body, carrier: { kind: "http", httpVersion: "1.1", headers }, tools: TOOLS });
      return [call.traceparent, call.linked];
    };
    assert.deepEqual(told(caller, gateway), [caller, [gateway]]);
    assert.deepEqual(told(undefined, gateway), [gateway, undefined]);
    assert.deepEqual(told(caller, caller), [caller, undefined]);
    assert.deepEqual(told(caller, undefined), [caller, undefined]);
  });

  test("tells nothing that a stranger wrote where something else should stand", () => {
    const text = "a secret cat";
    const headers = { "mcp-protocol-version": text, "mcp-session-id": text, traceparent: text };
    const http: Carrier = { kind: "http", httpVersion: "1.1", headers };
    const meta = { "io.modelcontextprotocol/protocolVersion": text, traceparent: text };
    const params = { name: text, uri: `image://${text}`, arguments: { prompt: text }, _meta: meta };
    for (const body of [{ id: text, method: "tools/call", params }, { id: text, method: text, params }, [text], text]) {
      for (const carrier of [http, STDIO]) {
        assert.doesNotMatch(JSON.stringify(toServedCall({ body, carrier, tools: TOOLS })), /secret/);
      }
    }
    const endless = { id: "x".repeat(1000), method: "ping", params: { uri: `image://${"x".repeat(1000)}` } };
    assert.deepEqual(toServedCall({ body: endless, carrier: STDIO, tools: TOOLS }).details, {});
  });
});
