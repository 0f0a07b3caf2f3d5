import {
  ProtocolError,
  ProtocolErrorCode,
  type CallToolResult,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import { systemClock, type Clock } from "../core/clock.ts";
import { parseImageId } from "../core/image-id.ts";
import { isJsonObject } from "../core/json.ts";
import type { GenerateImageResponse } from "../images/image-job.ts";
import type { PendingImage } from "../images/image-jobs.ts";
import type { ImageMetadata, ImageService, ReadyImage } from "../images/image-service.ts";
import { toImageProgress } from "../images/running-metadata.ts";
import type { ImageResults } from "./image-results.ts";
import { inWords } from "./in-words.ts";
import type { McpConnection, McpFeature } from "./mcp-tool.ts";
import type { NewsSource } from "./news.ts";
import { describeProgress } from "./progress-reporter.ts";
import { declaresTasks, missingTasks, registerTaskMethods, type TaskSource } from "./task-methods.ts";
import { TaskNews } from "./task-news.ts";
import { toErrorResult } from "./tool-result.ts";

export interface ImageTasksOptions {
  readonly images: Pick<ImageService, "for" | "ttlSeconds">;
  readonly results: ImageResults;
  readonly clock?: Clock;
}

/** What is told of every task, whatever became of it. */
interface TaskFacts {
  readonly taskId: string;
  readonly status: "working" | "completed" | "cancelled";
  readonly statusMessage?: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** ISO 8601. */
  readonly lastUpdatedAt: string;
  /** From the creation; null: for good. */
  readonly ttlMs: number | null;
  readonly pollIntervalMs: number;
}

const POLL_INTERVAL_MS = 2000;
/** Of one subscription; it is told which those are. */
const MAX_FOLLOWED = 100;
/** Of all subscriptions together: each is asked for again and again while another process draws it. */
const MAX_FOLLOWED_IN_ALL = 1000;
const taskIds = z.array(z.string());

/**
 * Pictures that are being drawn as tasks, for clients that declare the extension: the id of the picture is the id of the
 * task, so every replica knows it, and it lasts as long as the picture.
 */
export class ImageTasks implements McpFeature {
  readonly #images: ImageTasksOptions["images"];
  readonly #results: ImageResults;
  readonly #clock: Clock;
  #followed = 0;

  constructor(options: ImageTasksOptions) {
    this.#images = options.images;
    this.#results = options.results;
    this.#clock = options.clock ?? systemClock;
  }

  register(server: McpServer, connection: McpConnection): void {
    if (connection.era === "modern") registerTaskMethods(server, this.forConnection(connection));
  }

  /** The tasks that whoever is connected may see and end. */
  forConnection(connection: McpConnection): TaskSource {
    return {
      find: async (taskId, context) => {
        const { signal } = context.mcpReq;
        const images = this.#images.for(connection.caller(context));
        const found = isTaskId(taskId)
          ? await inWords(images.waitForImage(taskId, { signal, maxWaitMs: 0 }))
          : undefined;
        return found && this.#toTask(taskId, found);
      },
      // Where nobody says who they are, a stranger must not end the job of somebody else: the wish is noted, and no more.
      cancel: async (taskId, context) => {
        const images = this.#images.for(connection.caller(context));
        if (images.hasOwners || connection.mayManage(context)) await inWords(images.cancelJob(taskId));
      },
    };
  }

  /** News of tasks are for those alone who declare them, and of tasks alone that they may see. */
  readonly news: NewsSource = ({ method, params }, caller) => {
    if (method !== "subscriptions/listen" || !isJsonObject(params)) return undefined;
    const { notifications, _meta: envelope } = params;
    if (!isJsonObject(notifications) || notifications["taskIds"] === undefined) return undefined;
    if (!declaresTasks(envelope)) throw missingTasks();
    const asked = taskIds.safeParse(notifications["taskIds"]);
    if (!asked.success) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "taskIds must be a list of ids");
    const images = this.#images.for(caller);
    return new TaskNews({
      taskIds: [...new Set(asked.data)].slice(0, Math.min(MAX_FOLLOWED, MAX_FOLLOWED_IN_ALL - this.#followed)),
      find: async (taskId, signal) =>
        isTaskId(taskId) ? images.waitForImage(taskId, { signal, maxWaitMs: 0 }) : undefined,
      follow: async (taskId, options) => {
        this.#followed++;
        return images.waitForImage(taskId, options).finally(() => this.#followed--);
      },
      toTask: async (taskId, found) => this.#toTask(taskId, found),
      toWorkingTask: (taskId, message) => this.#toFacts(taskId, "working", { message }),
      clock: this.#clock,
    });
  };

  /** True when this very request says that its sender knows tasks. */
  isWanted(context: ServerContext, { era }: McpConnection): boolean {
    return era === "modern" && declaresTasks(context.mcpReq.envelope);
  }

  /** The result of a call whose picture is being drawn; what clients read that take it for an ordinary one is there as well. */
  toCreatedResult({ url, image_id, metadata }: GenerateImageResponse): CallToolResult {
    return {
      ...this.#toFacts(image_id, "working", { message: describeProgress(toImageProgress(metadata)) }),
      resultType: "task",
      content: [],
      structuredContent: { url, image_id, metadata },
    };
  }

  async #toTask(taskId: string, found: ReadyImage | PendingImage): Promise<TaskFacts & { readonly result?: object }> {
    if (found.status === "running") {
      const message = describeProgress(toImageProgress(found.response.metadata));
      return this.#toFacts(taskId, "working", { message });
    }
    if (found.status === "ready") {
      const { metadata } = found;
      const { url, image_id } = metadata;
      const result = await inWords(this.#results.toImageResult({ url, image_id, metadata }));
      return { ...this.#toFacts(taskId, "completed", { updatedAtMs: toEndMs(metadata) }), result };
    }
    const { error, endedAtMs: updatedAtMs } = found;
    if (error.details["reason"] === "cancelled") return this.#toFacts(taskId, "cancelled", { updatedAtMs });
    // "failed" is for errors of the protocol alone; a tool that failed has completed.
    return {
      ...this.#toFacts(taskId, "completed", { message: error.publicMessage, updatedAtMs }),
      result: toErrorResult(error),
    };
  }

  #toFacts(
    taskId: string,
    status: TaskFacts["status"],
    { message, updatedAtMs }: { readonly message?: string; readonly updatedAtMs?: number } = {},
  ): TaskFacts {
    const parsed = parseImageId(taskId);
    const nowMs = this.#clock.nowMs();
    const { ttlSeconds } = this.#images;
    return {
      taskId,
      status,
      ...(message !== undefined && { statusMessage: message }),
      createdAt: new Date(parsed?.kind === "current" ? parsed.createdAtMs : nowMs).toISOString(),
      lastUpdatedAt: new Date(updatedAtMs ?? nowMs).toISOString(),
      ttlMs: ttlSeconds === undefined ? null : ttlSeconds * 1000,
      pollIntervalMs: POLL_INTERVAL_MS,
    };
  }
}

function isTaskId(taskId: string): boolean {
  return parseImageId(taskId)?.kind === "current";
}

/** When the picture was there. */
function toEndMs({ created_at, queue_wait_seconds: waited, generation_seconds: drawn }: ImageMetadata): number {
  const seconds = (typeof waited === "number" ? waited : 0) + (typeof drawn === "number" ? drawn : 0);
  return Date.parse(created_at) + seconds * 1000;
}
