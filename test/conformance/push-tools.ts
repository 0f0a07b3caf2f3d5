import type { ElicitRequestFormParams, McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { NO_ARGUMENTS, toTextResult } from "./samples.ts";

type Schema = ElicitRequestFormParams["requestedSchema"];

/** What the test client has to fill in by itself. */
const DEFAULTS_SCHEMA: Schema = {
  type: "object",
  properties: {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
  required: [],
};

/** Every way to write a choice. */
const ENUMS_SCHEMA: Schema = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
    titledSingle: { type: "string", oneOf: toTitled("value", ["First Option", "Second Option", "Third Option"]) },
    legacyEnum: {
      type: "string",
      enum: ["opt1", "opt2", "opt3"],
      enumNames: ["Option One", "Option Two", "Option Three"],
    },
    untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
    titledMulti: {
      type: "array",
      items: { anyOf: toTitled("value", ["First Choice", "Second Choice", "Third Choice"]) },
    },
  },
  required: [],
};

const USER_SCHEMA: Schema = {
  type: "object",
  properties: { username: { type: "string" }, email: { type: "string" } },
  required: ["username", "email"],
};

/** Tools that call the client while they run, as the revisions with sessions allow. */
export function registerPushTools(server: McpServer): void {
  server.registerTool(
    "test_sampling",
    { description: "Asks the client's model", inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, context) => {
      const answer = await context.mcpReq.requestSampling({
        messages: [{ role: "user", content: { type: "text", text: prompt } }],
        maxTokens: 100,
      });
      const content = Array.isArray(answer.content) ? answer.content[0] : answer.content;
      return toTextResult(`LLM response: ${content?.type === "text" ? content.text : ""}`);
    },
  );
  server.registerTool(
    "test_elicitation",
    { description: "Asks the user", inputSchema: z.object({ message: z.string() }) },
    async ({ message }, context) =>
      toTextResult(describe(await context.mcpReq.elicitInput({ message, requestedSchema: USER_SCHEMA }))),
  );
  for (const [name, requestedSchema] of [
    ["test_elicitation_sep1034_defaults", DEFAULTS_SCHEMA],
    ["test_elicitation_sep1330_enums", ENUMS_SCHEMA],
  ] as const) {
    server.registerTool(name, { description: "Asks the user", inputSchema: NO_ARGUMENTS }, async (_args, context) =>
      toTextResult(describe(await context.mcpReq.elicitInput({ message: "Please answer", requestedSchema }))),
    );
  }
}

function describe({ action, content }: { readonly action: string; readonly content?: unknown }): string {
  return `Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`;
}

function toTitled(prefix: string, titles: readonly string[]) {
  return titles.map((title, index) => ({ const: `${prefix}${index + 1}`, title }));
}
