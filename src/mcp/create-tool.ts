import type { CallToolResult, Icon, McpServer, ToolAnnotations } from "@modelcontextprotocol/server";
import type * as z from "zod";
import type { Clock } from "../core/clock.ts";
import { isJsonObject } from "../core/json.ts";
import type { Scope } from "../core/scope.ts";
import { parseParams } from "../images/checked-params.ts";
import { advertiseOnly, memoSchema } from "./advertised-schema.ts";
import { toAppMeta, type AppView } from "./image-app.ts";
import type { MaxWait } from "./max-wait.ts";
import type { McpConnection, McpFeature } from "./mcp-tool.ts";
import { runToolCall, type ToolCall } from "./tool-call.ts";

/** One tool: what a client reads of it, and what it does. */
export interface ToolDefinition<Schema extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string | (() => string);
  readonly icons: Icon[];
  readonly annotations: ToolAnnotations;
  readonly schema: Schema;
  /** What each argument may be, as a fault says it. */
  readonly allowed: Readonly<Record<keyof z.output<Schema> & string, string>>;
  /** `undefined` for a tool whose content is not JSON. */
  readonly output?: z.ZodObject;
  /** True when it may take longer than a client waits in silence. */
  readonly isSlow?: boolean;
  /** What hosts of MCP Apps show its results in. */
  readonly view?: AppView;
  /** What a caller needs. */
  readonly scope: Scope;
  run(params: z.output<Schema>, call: ToolCall): Promise<CallToolResult>;
}

export interface ToolTiming {
  readonly maxWait: MaxWait;
  readonly clock: Clock;
}

/** The tool as a feature of every server. An argument that is null counts as left out. */
export function createTool<Schema extends z.ZodObject>(
  definition: ToolDefinition<Schema>,
  { maxWait, clock }: ToolTiming,
): McpFeature {
  const { name, title, description, icons, annotations, schema, allowed, output, isSlow = false, view } = definition;
  const inputSchema = advertiseOnly(schema);
  const outputSchema = output && memoSchema(output);
  const describe = (): string => (typeof description === "string" ? description : description());
  return {
    slowTools: isSlow ? [name] : [],
    toolScopes: { [name]: definition.scope },
    tool: { name, title, description: describe(), parameters: schema },
    register(server: McpServer, connection: McpConnection): void {
      server.registerTool(
        name,
        {
          title,
          description: describe(),
          icons,
          inputSchema,
          ...(outputSchema && { outputSchema }),
          annotations,
          ...(view && { _meta: toAppMeta(view) }),
        },
        async (given, context) =>
          runToolCall({ tool: name, context, connection, maxWait, clock }, async (call) => {
            const params = parseParams(schema, allowed, withoutNulls(given ?? {}));
            if (isSlow) call.startProgress();
            return definition.run(params, call);
          }),
      );
    },
  };
}

function withoutNulls(given: unknown): unknown {
  if (!isJsonObject(given)) return given;
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}
