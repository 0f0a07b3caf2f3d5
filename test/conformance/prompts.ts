import {
  acceptedContent,
  completable,
  inputRequired,
  type ContentBlock,
  type GetPromptResult,
  type McpServer,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import { PNG_BASE64 } from "./samples.ts";

const CITIES = ["paris", "park", "party"];

/** Prompts without and with arguments, with a resource, with a picture, and one that asks for input. */
export function registerPrompts(server: McpServer): void {
  server.registerPrompt("test_simple_prompt", { description: "A text" }, () =>
    toPrompt({ type: "text", text: "This is a simple prompt for testing." }),
  );
  server.registerPrompt(
    "test_prompt_with_arguments",
    {
      description: "A text with two arguments",
      argsSchema: z.object({
        arg1: completable(z.string(), (start) => CITIES.filter((city) => city.startsWith(start))),
        arg2: z.string(),
      }),
    },
    ({ arg1, arg2 }) => toPrompt({ type: "text", text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` }),
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "A resource", argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) =>
      toPrompt(
        {
          type: "resource",
          resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." },
        },
        { type: "text", text: "Please process the embedded resource above." },
      ),
  );
  server.registerPrompt("test_prompt_with_image", { description: "A picture" }, () =>
    toPrompt(
      { type: "image", data: PNG_BASE64, mimeType: "image/png" },
      { type: "text", text: "Please analyze the image above." },
    ),
  );
  server.registerPrompt("test_input_required_result_prompt", { description: "Asks for input" }, ({ mcpReq }) => {
    const user = acceptedContent(mcpReq.inputResponses, "user_context", z.object({ context: z.string() }));
    if (user) return toPrompt({ type: "text", text: `Context: ${user.context}` });
    const requestedSchema = {
      type: "object" as const,
      properties: { context: { type: "string" as const } },
      required: ["context"],
    };
    return inputRequired({
      inputRequests: {
        user_context: inputRequired.elicit({ message: "What context should the prompt use?", requestedSchema }),
      },
    });
  });
}

function toPrompt(...contents: ContentBlock[]): GetPromptResult {
  return { messages: contents.map((content) => ({ role: "user", content })) };
}
