import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  ProtocolError,
  type CallToolResult,
  type InputRequests,
  type InputResponses,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { isJsonObject } from "../../src/core/json.ts";
import type { TaskSource } from "../../src/mcp/task-methods.ts";

/** Asks the client, and gives its answers once all of them are there. */
export type Ask = (inputRequests: InputRequests) => Promise<InputResponses>;

interface ScriptedTask {
  status: "working" | "input_required" | "completed" | "failed" | "cancelled";
  outcome: object;
  readonly createdAt: string;
  readonly asked: Map<string, { readonly request: object; readonly answer: (response: object) => void }>;
}

/** So long that a client sees the task at work. */
const WORK_MS = 300;
const TTL_MS = 600_000;

/** Tasks as no picture has them: they ask their client, or fail by an error of the protocol. */
export class ScriptedTasks implements TaskSource {
  readonly #tasks = new Map<string, ScriptedTask>();

  /** Begins one, and gives the result of the call that did. */
  begin(work: (ask: Ask) => Promise<CallToolResult>): CallToolResult {
    const taskId = randomUUID();
    const task: ScriptedTask = {
      status: "working",
      outcome: {},
      createdAt: new Date().toISOString(),
      asked: new Map(),
    };
    this.#tasks.set(taskId, task);
    void this.#run(task, work);
    return { ...toFacts(taskId, task), resultType: "task", content: [] };
  }

  async find(taskId: string): Promise<object | undefined> {
    const task = this.#tasks.get(taskId);
    if (task === undefined) return undefined;
    const { status, asked, outcome } = task;
    const inputRequests = Object.fromEntries(Array.from(asked, ([key, { request }]) => [key, request]));
    return { ...toFacts(taskId, task), ...(status === "input_required" ? { inputRequests } : outcome) };
  }

  async update(taskId: string, { mcpReq }: ServerContext): Promise<void> {
    const task = this.#tasks.get(taskId);
    for (const [key, response] of Object.entries(mcpReq.inputResponses ?? {})) {
      if (isJsonObject(response)) task?.asked.get(key)?.answer(response);
    }
  }

  async cancel(taskId: string): Promise<void> {
    const task = this.#tasks.get(taskId);
    if (task !== undefined && !hasEnded(task)) task.status = "cancelled";
  }

  async #run(task: ScriptedTask, work: (ask: Ask) => Promise<CallToolResult>): Promise<void> {
    const end = (status: ScriptedTask["status"], outcome: object): void => {
      if (!hasEnded(task)) Object.assign(task, { status, outcome });
    };
    await delay(WORK_MS);
    try {
      end("completed", { result: await work(async (inputRequests) => ask(task, inputRequests)) });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      end("failed", { error: { code: error.code, message: error.message } });
    }
  }
}

async function ask(task: ScriptedTask, inputRequests: InputRequests): Promise<InputResponses> {
  const answers = Object.entries(inputRequests).map(async ([key, request]) => {
    const { promise, resolve } = Promise.withResolvers<object>();
    task.asked.set(key, { request, answer: resolve });
    const response = await promise;
    task.asked.delete(key);
    return [key, response] as const;
  });
  if (!hasEnded(task)) task.status = "input_required";
  const responses = Object.fromEntries(await Promise.all(answers)) as InputResponses;
  if (!hasEnded(task)) task.status = "working";
  return responses;
}

function hasEnded({ status }: ScriptedTask): boolean {
  return status !== "working" && status !== "input_required";
}

function toFacts(taskId: string, { status, createdAt }: ScriptedTask) {
  return { taskId, status, createdAt, lastUpdatedAt: createdAt, ttlMs: TTL_MS, pollIntervalMs: 200 };
}
