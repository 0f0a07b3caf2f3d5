import { isJsonObject } from "../core/json.ts";
import type { CallOutcome } from "../telemetry/tracing.ts";

/** What is longer is no failure: errors, ours and the SDK's, are small. */
const MAX_FAILURE_BYTES = 64 * 1024;
const DATA = "data: ";

/** What a message says of the call that it answers, by the conventions of OpenTelemetry for MCP; `undefined` for no answer. */
export function toCallOutcome(message: unknown): CallOutcome | undefined {
  if (!isJsonObject(message) || "method" in message) return undefined;
  const { error, result } = message;
  if (isJsonObject(error)) {
    const code = String(Number(error["code"]));
    return { errorType: code, details: { "rpc.response.status_code": code } };
  }
  if (!isJsonObject(result)) return undefined;
  if (result["isError"] === true) return { errorType: "tool_error" };
  const { protocolVersion: version } = result;
  return typeof version === "string" ? { details: { "mcp.protocol.version": version } } : {};
}

/** The same of what an HTTP answer holds: one message, a batch of them, or events of a stream. */
export function readCallOutcomes(bytes: Uint8Array): CallOutcome[] {
  if (bytes.byteLength > MAX_FAILURE_BYTES) return [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  const events = text.split("\n").filter((line) => line.startsWith(DATA));
  const documents = events.length === 0 ? [text] : events.map((line) => line.slice(DATA.length));
  return documents.flatMap((document) => [parse(document)].flat()).flatMap((message) => toCallOutcome(message) ?? []);
}

function parse(document: string): unknown {
  try {
    return JSON.parse(document);
  } catch {
    return undefined;
  }
}
