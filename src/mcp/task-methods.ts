import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import { isJsonObject } from "../core/json.ts";

/** The tasks that a server tells of and what can be done to them. */
export interface TaskSource {
  /** What `tasks/get` says of a task; `undefined` when there is none for this caller. */
  find(taskId: string, context: ServerContext): Promise<object | undefined>;
  /** Takes the wish to end a task that was found. */
  cancel(taskId: string, context: ServerContext): Promise<void>;
  /** Takes what the client answers to a task that was found. Default: no task ever asks. */
  update?(taskId: string, context: ServerContext): Promise<void>;
}

const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";
const taskParams = z.object({ taskId: z.string() });

/**
 * The methods of the Tasks extension, for those requests whose sender declares it. Since 2026-07-28;
 * https://modelcontextprotocol.github.io/ext-tasks/
 */
export function registerTaskMethods({ server }: McpServer, source: TaskSource): void {
  server.registerCapabilities({ extensions: { [TASKS_EXTENSION]: {} } });
  const handle = (method: string, answer: (taskId: string, task: object, context: ServerContext) => Promise<object>) =>
    server.setRequestHandler(method, { params: taskParams }, async ({ taskId }, context) => {
      if (!declaresTasks(context.mcpReq.envelope)) throw missingTasks();
      const task = await source.find(taskId, context);
      if (task === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "Task not found or expired");
      return { ...(await answer(taskId, task, context)), resultType: "complete" };
    });
  handle("tasks/get", async (_taskId, task) => task);
  handle("tasks/update", async (taskId, _task, context) => {
    await source.update?.(taskId, context);
    return {};
  });
  handle("tasks/cancel", async (taskId, _task, context) => {
    await source.cancel(taskId, context);
    return {};
  });
}

/** Looks at what a request says of its sender. */
export function declaresTasks(envelope: unknown): boolean {
  const capabilities = isJsonObject(envelope) ? envelope[CLIENT_CAPABILITIES_META_KEY] : undefined;
  const extensions = isJsonObject(capabilities) ? capabilities["extensions"] : undefined;
  return isJsonObject(extensions) && isJsonObject(extensions[TASKS_EXTENSION]);
}

/** The answer to somebody who asks for tasks without declaring them. */
export function missingTasks(): ProtocolError {
  return new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } });
}
