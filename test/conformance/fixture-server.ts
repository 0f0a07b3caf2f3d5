import { createRequestStateCodec, McpServer } from "@modelcontextprotocol/server";
import type { McpHttpHandler } from "../../src/mcp/mcp-http-handler.ts";
import type { McpServerBuilder } from "../../src/mcp/mcp-tool.ts";
import { registerContentTools } from "./content-tools.ts";
import { registerInputTools } from "./input-tools.ts";
import { registerPrompts } from "./prompts.ts";
import { registerPushTools } from "./push-tools.ts";
import { registerResources } from "./resources.ts";
import { registerTaskTools, type TaskParts } from "./task-tools.ts";

/** What the fixtures announce on the change streams of the endpoint that serves them. */
export type Notify = () => McpHttpHandler["notify"];

/**
 * A server with the tools, resources and prompts that the conformance scenarios call by name. It stands on the
 * HTTP endpoint of the product, so that transport, sessions, eras, headers and guard are the product's own.
 */
export function createFixtureBuilder(notify: Notify, taskParts: TaskParts): McpServerBuilder {
  const state = createRequestStateCodec({ key: crypto.getRandomValues(new Uint8Array(32)) });
  return (connection) => {
    const server = new McpServer(
      { name: "conformance-fixture", version: "1.0.0" },
      {
        capabilities: {
          tools: { listChanged: true },
          prompts: { listChanged: true },
          resources: { subscribe: true, listChanged: true },
          logging: {},
          completions: {},
        },
        requestState: { verify: async (token, context) => state.verify(token, context) },
        cacheHints: { "tools/list": { ttlMs: 1000, cacheScope: "public" } },
      },
    );
    registerContentTools(server, notify);
    registerPushTools(server);
    registerInputTools(server, state);
    registerResources(server);
    registerPrompts(server);
    registerTaskTools(server, connection, taskParts);
    return server;
  };
}
