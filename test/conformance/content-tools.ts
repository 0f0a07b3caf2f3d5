import { setTimeout as delay } from "node:timers/promises";
import { fromJsonSchema, type McpServer, type ServerContext } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Notify } from "./fixture-server.ts";
import { NO_ARGUMENTS, PNG_BASE64, toTextResult, WAV_BASE64 } from "./samples.ts";

/** Tools that answer by themselves: one for every kind of content, errors, progress, logs, schemas and changes. */
export function registerContentTools(server: McpServer, notify: Notify): void {
  const config = (description: string) => ({ description, inputSchema: NO_ARGUMENTS });

  server.registerTool("test_simple_text", config("Gives a text"), () =>
    toTextResult("This is a simple text response for testing."),
  );
  server.registerTool("test_image_content", config("Gives a picture"), () => ({
    content: [{ type: "image", data: PNG_BASE64, mimeType: "image/png" }],
  }));
  server.registerTool("test_audio_content", config("Gives a sound"), () => ({
    content: [{ type: "audio", data: WAV_BASE64, mimeType: "audio/wav" }],
  }));
  server.registerTool("test_embedded_resource", config("Gives a resource"), () => ({
    content: [
      {
        type: "resource",
        resource: {
          uri: "test://embedded-resource",
          mimeType: "text/plain",
          text: "This is an embedded resource content.",
        },
      },
    ],
  }));
  server.registerTool("test_multiple_content_types", config("Gives three kinds of content"), () => ({
    content: [
      { type: "text", text: "Multiple content types test:" },
      { type: "image", data: PNG_BASE64, mimeType: "image/png" },
      {
        type: "resource",
        resource: {
          uri: "test://mixed-content-resource",
          mimeType: "application/json",
          text: JSON.stringify({ test: "data", value: 123 }),
        },
      },
    ],
  }));
  server.registerTool("test_error_handling", config("Fails"), () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
  server.registerTool("test_tool_with_progress", config("Tells its progress"), async (_arguments, context) =>
    tellProgress(context),
  );
  for (const name of ["test_tool_with_logging", "test_logging_tool"]) {
    server.registerTool(name, config("Writes log messages"), async (_arguments, context) => writeLogs(context));
  }
  server.registerTool("test_trigger_tool_change", config("Announces other tools"), () => {
    notify().toolsChanged();
    return toTextResult("announced");
  });
  server.registerTool("test_trigger_prompt_change", config("Announces other prompts"), () => {
    notify().promptsChanged();
    return toTextResult("announced");
  });
  registerSchemaTools(server);
}

function registerSchemaTools(server: McpServer): void {
  const text = { type: "string" };
  server.registerTool(
    "json_schema_2020_12_tool",
    {
      description: "Has a schema with keywords of JSON Schema 2020-12",
      inputSchema: fromJsonSchema({
        $schema: "https://json-schema.org/draft/2020-12/schema",
        type: "object",
        $defs: { address: { $anchor: "addressDef", type: "object", properties: { street: text, city: text } } },
        properties: {
          name: text,
          address: { $ref: "#/$defs/address" },
          contactMethod: { type: "string", enum: ["phone", "email"] },
          phone: text,
          email: text,
        },
        allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
        if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
        // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
        then: { required: ["phone"] },
        else: { required: ["email"] },
        additionalProperties: false,
      }),
    },
    () => toTextResult("ok"),
  );
  server.registerTool(
    "test_x_mcp_header",
    {
      description: "Has an argument that is repeated in a header",
      inputSchema: z.object({ region: z.string().optional().meta({ "x-mcp-header": "Region" }) }),
    },
    () => toTextResult("ok"),
  );
}

async function tellProgress(context: ServerContext) {
  const progressToken = context.mcpReq._meta?.progressToken;
  for (const progress of [0, 50, 100]) {
    if (progressToken !== undefined) {
      await context.mcpReq.notify({
        method: "notifications/progress",
        params: { progressToken, progress, total: 100 },
      });
    }
    await delay(20);
  }
  return toTextResult("done");
}

async function writeLogs(context: ServerContext) {
  for (const message of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
    await context.mcpReq.log("info", message);
    await delay(20);
  }
  return toTextResult("logged");
}
