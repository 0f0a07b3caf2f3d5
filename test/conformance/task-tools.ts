import { setTimeout as delay } from "node:timers/promises";
import {
  acceptedContent,
  inputRequired,
  ProtocolError,
  ProtocolErrorCode,
  type CallToolResult,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import { KServeError } from "../../src/core/errors.ts";
import { isJsonObject } from "../../src/core/json.ts";
import { ImageResults } from "../../src/mcp/image-results.ts";
import { ImageTasks } from "../../src/mcp/image-tasks.ts";
import type { McpConnection } from "../../src/mcp/mcp-tool.ts";
import type { NewsSource } from "../../src/mcp/news.ts";
import { declaresTasks, missingTasks, registerTaskMethods } from "../../src/mcp/task-methods.ts";
import { ImageService } from "../../src/images/image-service.ts";
import { PictureConverter } from "../../src/images/picture-converter.ts";
import { PreviewMaker } from "../../src/images/preview.ts";
import type { GeneratedImage, GenerateImageOptions, GenerateImageRequest } from "../../src/kserve/generated-image.ts";
import { FairQueue } from "../../src/queue/fair-queue.ts";
import { MockKServeClient } from "../../src/testing/mock-kserve-client.ts";
import { MockStorage } from "../../src/testing/mock-storage.ts";
import { ask } from "./input-tools.ts";
import { NO_ARGUMENTS, toTextResult } from "./samples.ts";
import { ScriptedTasks } from "./scripted-tasks.ts";

const Confirmation = z.object({ confirm: z.boolean() });
const Name = z.object({ name: z.string() });
/** Tools that cannot answer a client without a task. */
const NEEDING_TASKS: ReadonlySet<unknown> = new Set([
  "failing_job",
  "protocol_error_job",
  "confirm_delete",
  "multi_input",
  "test_tool_with_task",
]);

/** A model whose pictures take as long as their prompts say, or fail. */
class ScriptedModel extends MockKServeClient {
  override async generateImage(
    request: GenerateImageRequest,
    options: GenerateImageOptions = {},
  ): Promise<GeneratedImage> {
    const [verb, seconds] = request.prompt.split(" ");
    await delay(Number(seconds) * 1000, undefined, { signal: options.signal, ref: false }).catch(() => {
      throw new KServeError("cancelled", "Cannot generate the image: the caller gave up");
    });
    if (verb === "fail") throw new KServeError("upstream_error", "Cannot generate the image: it was to fail");
    return super.generateImage(request, options);
  }
}

/** The product's own image service and tasks, over that model. */
export function createTaskParts() {
  const images = new ImageService({
    storage: new MockStorage(),
    generator: new ScriptedModel(),
    queue: new FairQueue({ concurrency: 4, depth: 16, timeoutMs: 60_000 }),
    ttlSeconds: 3600,
  });
  const results = new ImageResults({ images, previews: new PreviewMaker({ converter: new PictureConverter() }) });
  return { images, results, imageTasks: new ImageTasks({ images, results }), scriptedTasks: new ScriptedTasks() };
}

export type TaskParts = ReturnType<typeof createTaskParts>;

/** Refuses calls of tools that need tasks before a server is asked, which would make a result of the refusal. */
export const refuseWithoutTasks: NewsSource = ({ method, params }) => {
  if (method !== "tools/call" || !isJsonObject(params)) return undefined;
  if (NEEDING_TASKS.has(params["name"]) && !declaresTasks(params["_meta"])) throw missingTasks();
  return undefined;
};

/** Tools that answer with tasks: jobs of the image service where a picture can do what is asked, scripted ones elsewhere. */
export function registerTaskTools(server: McpServer, connection: McpConnection, parts: TaskParts): void {
  const { images, results, imageTasks, scriptedTasks } = parts;
  const config = (description: string) => ({ description, inputSchema: NO_ARGUMENTS });
  const generate = async (prompt: string, context: ServerContext): Promise<CallToolResult> => {
    const isTask = imageTasks.isWanted(context, connection);
    const caller = connection.caller(context);
    const options = { clientId: connection.clientId, caller, ...(isTask && { maxWaitMs: 0 }) };
    const response = await images.generate({ prompt, width: 64, height: 64 }, options);
    const isRunning = response.metadata["status"] === "running";
    return isTask && isRunning ? imageTasks.toCreatedResult(response) : results.toImageResult(response);
  };

  if (connection.era === "modern") {
    const ofImages = imageTasks.forConnection(connection);
    registerTaskMethods(server, {
      find: async (taskId, context) => (await scriptedTasks.find(taskId)) ?? ofImages.find(taskId, context),
      cancel: async (taskId, context) => {
        await scriptedTasks.cancel(taskId);
        await ofImages.cancel(taskId, context);
      },
      update: async (taskId, context) => scriptedTasks.update(taskId, context),
    });
  }
  server.registerTool("greet", { description: "Greets", inputSchema: Name }, ({ name }) =>
    toTextResult(`Hello, ${name}!`),
  );
  server.registerTool(
    "slow_compute",
    { description: "Takes its time", inputSchema: z.object({ seconds: z.number(), label: z.string().optional() }) },
    async ({ seconds }, context) => generate(`sleep ${seconds}`, context),
  );
  server.registerTool("failing_job", config("Fails"), async (_args, context) => generate("fail 1", context));
  server.registerTool("protocol_error_job", config("Fails by an error of the protocol"), () =>
    scriptedTasks.begin(async () => {
      throw new ProtocolError(ProtocolErrorCode.InternalError, "It was to fail");
    }),
  );
  server.registerTool(
    "confirm_delete",
    { description: "Asks before it deletes", inputSchema: z.object({ filename: z.string() }) },
    ({ filename }) =>
      scriptedTasks.begin(async (request) => {
        const answers = await request({ confirmation: ask(`Delete ${filename}?`, { confirm: { type: "boolean" } }) });
        const { confirm = false } = acceptedContent(answers, "confirmation", Confirmation) ?? {};
        return toTextResult(confirm ? `Deleted ${filename}` : `Kept ${filename}`);
      }),
  );
  server.registerTool("multi_input", config("Asks two things at once"), () =>
    scriptedTasks.begin(async (request) => {
      const answers = await request({
        person: ask("What is your name?", { name: { type: "string" } }),
        consent: ask("Do you agree?", { confirm: { type: "boolean" } }),
      });
      return toTextResult(JSON.stringify(answers));
    }),
  );
  server.registerTool("test_tool_with_task", config("Asks, then begins a task"), (_args, { mcpReq }) => {
    const user = acceptedContent(mcpReq.inputResponses, "user_name", Name);
    if (user !== undefined) return scriptedTasks.begin(async () => toTextResult(`Hello, ${user.name}!`));
    return inputRequired({ inputRequests: { user_name: ask("What is your name?", { name: { type: "string" } }) } });
  });
}
