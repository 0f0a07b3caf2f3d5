import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readCallOutcomes, toCallOutcome } from "./call-outcome.ts";

const REFUSED = { jsonrpc: "2.0", id: 1, error: { code: -32602, message: "a secret cat" } };
const REFUSAL = { errorType: "-32602", details: { "rpc.response.status_code": "-32602" } };
const FAILED = { jsonrpc: "2.0", id: 2, result: { isError: true, content: [] } };
const DONE = { jsonrpc: "2.0", id: 3, result: { content: [] } };

describe("toCallOutcome()", () => {
  test("tells errors of the protocol by their code, and those of tools by one word", () => {
    assert.deepEqual(toCallOutcome(REFUSED), REFUSAL);
    assert.deepEqual(toCallOutcome(FAILED), { errorType: "tool_error" });
    assert.deepEqual(toCallOutcome(DONE), {});
  });

  test("tells the revision that was agreed on", () => {
    const agreed = { id: 1, result: { protocolVersion: "2025-06-18" } };
    assert.deepEqual(toCallOutcome(agreed), { details: { "mcp.protocol.version": "2025-06-18" } });
  });

  test("takes nothing for an answer that is none", () => {
    const question = { id: 1, method: "elicitation/create", params: {} };
    for (const other of [question, { method: "notifications/progress" }, { id: 1 }, null, "x", []]) {
      assert.equal(toCallOutcome(other), undefined);
    }
  });
});

describe("readCallOutcomes()", () => {
  const read = (text: string) => readCallOutcomes(new TextEncoder().encode(text));

  test("reads one message, a batch, and an event of a stream", () => {
    assert.deepEqual(read(JSON.stringify(REFUSED)), [REFUSAL]);
    assert.deepEqual(read(JSON.stringify([DONE, FAILED])), [{}, { errorType: "tool_error" }]);
    assert.deepEqual(read(`event: message\nid: 7\ndata: ${JSON.stringify(FAILED)}\n\n`), [{ errorType: "tool_error" }]);
  });

  test("gives nothing for what is no message, or too long for a failure", () => {
    assert.deepEqual(read(": keepalive\n\n"), []);
    assert.deepEqual(read(""), []);
    assert.deepEqual(read(JSON.stringify({ ...FAILED, padding: "x".repeat(70_000) })), []);
  });
});
