import { isJsonObject } from "../core/json.ts";
import { parseTraceparent, type ServedCall, type SpanAttributes } from "../telemetry/tracing.ts";

/** The methods that get a span of their own name; what a stranger calls otherwise must not become a name. */
const METHODS: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "server/discover",
  "tools/list",
  "tools/call",
  "resources/list",
  "resources/read",
  "resources/templates/list",
  "prompts/list",
  "prompts/get",
  "completion/complete",
]);

const TRANSPORTS = {
  http: { "network.transport": "tcp", "network.protocol.name": "http" },
  stdio: { "network.transport": "pipe" },
} as const;

export interface CarriedMessage {
  readonly body: unknown;
  readonly by: keyof typeof TRANSPORTS;
  /** The header of that name, where there are headers. */
  readonly traceparent?: unknown;
  readonly tools: { has(name: string): boolean };
}

/** How one MCP message is told to those who follow calls, by the conventions of OpenTelemetry for MCP. */
export function toServedCall({ body, by, traceparent, tools }: CarriedMessage): ServedCall {
  const fromHeader = parseTraceparent(traceparent);
  const transport = TRANSPORTS[by];
  if (!isJsonObject(body)) {
    return { name: "batch", traceparent: fromHeader, attributes: { "mcp.method.name": "batch", ...transport } };
  }
  const params = isJsonObject(body["params"]) ? body["params"] : {};
  const meta = isJsonObject(params["_meta"]) ? params["_meta"] : {};
  const method = typeof body["method"] === "string" && METHODS.has(body["method"]) ? body["method"] : "other";
  const { name: tool } = params;
  const isTool = method === "tools/call" && typeof tool === "string" && tools.has(tool);
  const attributes: SpanAttributes = {
    "mcp.method.name": method,
    ...(isTool && { "gen_ai.tool.name": tool, "gen_ai.operation.name": "execute_tool" }),
    ...transport,
  };
  return {
    name: isTool ? `${method} ${tool}` : method,
    traceparent: parseTraceparent(meta["traceparent"]) ?? fromHeader,
    attributes,
  };
}
