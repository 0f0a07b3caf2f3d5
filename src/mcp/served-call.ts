import type { IncomingHttpHeaders } from "node:http";
import { PROTOCOL_VERSION_META_KEY } from "@modelcontextprotocol/server";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { parseTraceparent, type ServedCall, type SpanAttributes } from "../telemetry/tracing.ts";

/** The methods that get a span of their own name; what a stranger calls otherwise must not become a name. */
const METHODS: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "server/discover",
  "tools/list",
  "tools/call",
  "tasks/get",
  "tasks/update",
  "tasks/cancel",
  "resources/list",
  "resources/read",
  "resources/templates/list",
  "resources/subscribe",
  "resources/unsubscribe",
  "prompts/list",
  "prompts/get",
  "completion/complete",
  "logging/setLevel",
]);

/** What a stranger wrote is told only where it looks like what it should be. */
const VERSION = /^\d{4}-\d{2}-\d{2}$/;
const SESSION_ID = /^[\w-]{1,64}$/;
const REQUEST_ID = /^[\w.:-]{1,64}$/;
const RESOURCE_URI = /^[a-z]+:\/\/[\w./-]{1,128}$/;

/** What brought a message. */
export type Carrier =
  | { readonly kind: "http"; readonly httpVersion: string; readonly headers: IncomingHttpHeaders }
  /** @property protocolVersion what was agreed on for the whole connection, if it was */
  | { readonly kind: "stdio"; readonly protocolVersion?: string | undefined };

export interface CarriedMessage {
  readonly body: unknown;
  readonly carrier: Carrier;
  readonly tools: { has(name: string): boolean };
}

/** How one MCP message is told to those who follow calls, by the conventions of OpenTelemetry for MCP. */
export function toServedCall({ body, carrier, tools }: CarriedMessage): ServedCall {
  const traceparent = carrier.kind === "http" ? parseTraceparent(carrier.headers["traceparent"]) : undefined;
  const transport = toTransport(carrier);
  if (!isJsonObject(body)) {
    const attributes = { "mcp.method.name": "batch", ...transport };
    return { name: "batch", traceparent, attributes, details: toDetails({}, {}, carrier) };
  }
  const params = isJsonObject(body["params"]) ? body["params"] : {};
  const meta = isJsonObject(params["_meta"]) ? params["_meta"] : {};
  const method = typeof body["method"] === "string" && METHODS.has(body["method"]) ? body["method"] : "other";
  const { name: tool } = params;
  const own = parseTraceparent(meta["traceparent"]);
  const isTool = method === "tools/call" && typeof tool === "string" && tools.has(tool);
  return {
    name: isTool ? `${method} ${tool}` : method,
    traceparent: own ?? traceparent,
    // The header is of the request that brought the message, which may be somebody else's.
    ...(own !== undefined && traceparent !== undefined && traceparent !== own && { linked: [traceparent] }),
    attributes: {
      "mcp.method.name": method,
      ...(isTool && { "gen_ai.tool.name": tool, "gen_ai.operation.name": "execute_tool" }),
      ...transport,
    },
    details: toDetails(body, { ...params, version: meta[PROTOCOL_VERSION_META_KEY] ?? null }, carrier),
  };
}

function toTransport(carrier: Carrier): SpanAttributes {
  if (carrier.kind === "stdio") return { "network.transport": "pipe" };
  return {
    "network.transport": "tcp",
    "network.protocol.name": "http",
    "network.protocol.version": carrier.httpVersion,
  };
}

function toDetails({ id }: JsonObject, { uri, version }: JsonObject, carrier: Carrier): SpanAttributes {
  const agreed = carrier.kind === "http" ? carrier.headers["mcp-protocol-version"] : carrier.protocolVersion;
  const session = carrier.kind === "http" ? carrier.headers["mcp-session-id"] : undefined;
  const details = {
    "jsonrpc.request.id": matching(REQUEST_ID, typeof id === "number" ? String(id) : id),
    "mcp.protocol.version": matching(VERSION, version ?? agreed),
    "mcp.resource.uri": matching(RESOURCE_URI, uri),
    "mcp.session.id": matching(SESSION_ID, session),
  };
  return Object.fromEntries(
    Object.entries(details).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function matching(form: RegExp, value: unknown): string | undefined {
  return typeof value === "string" && form.test(value) ? value : undefined;
}
