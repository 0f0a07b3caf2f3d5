import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import * as z from "zod";

// What everybody who uses the SDK starts with.
serveStdio(() => {
  const server = new McpServer({ name: "bare", version: "0.0.0" }, { capabilities: { tools: {} } });
  server.registerTool("draw", { description: "Draws", inputSchema: z.object({ prompt: z.string() }) }, async () => ({
    content: [],
  }));
  return server;
});
