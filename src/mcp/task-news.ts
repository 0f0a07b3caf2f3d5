import type { Clock } from "../core/clock.ts";
import type { JsonObject } from "../core/json.ts";
import type { ImageProgress } from "../images/image-job.ts";
import type { PendingImage, WaitOptions } from "../images/image-jobs.ts";
import type { ReadyImage } from "../images/image-service.ts";
import { getLogger } from "../logging/logger.ts";
import type { News, NewsItem } from "./news.ts";
import { describeProgress } from "./progress-reporter.ts";

type FoundImage = ReadyImage | PendingImage;

export interface TaskNewsOptions {
  readonly taskIds: readonly string[];
  /** The task's picture as the subscriber may see it. */
  readonly find: (taskId: string, signal: AbortSignal) => Promise<FoundImage | undefined>;
  /** The same of one that was found, once it is no longer drawn. */
  readonly follow: (taskId: string, options: WaitOptions) => Promise<FoundImage | undefined>;
  /** What `tasks/get` says of it. */
  readonly toTask: (taskId: string, found: FoundImage) => Promise<object>;
  readonly toWorkingTask: (taskId: string, message: string) => object;
  readonly clock: Clock;
}

/** A task that goes on and on is told of no more often. */
const QUIET_MS = 1000;

const logger = getLogger("mcp");

/** News of some tasks for one subscriber: how each is at first, how it goes on, and how it ends. */
export class TaskNews implements News {
  readonly #options: TaskNewsOptions;
  readonly #found = new Map<string, FoundImage>();

  constructor(options: TaskNewsOptions) {
    this.#options = options;
  }

  /** Those tasks that are known and the subscriber's to see. */
  async agree(signal: AbortSignal): Promise<JsonObject> {
    const { taskIds, find } = this.#options;
    await Promise.all(
      taskIds.map(async (taskId) => {
        const found = await find(taskId, signal).catch((error: unknown) => {
          logger.debug("task_not_followed", { error });
          return undefined;
        });
        if (found !== undefined) this.#found.set(taskId, found);
      }),
    );
    const agreed = taskIds.filter((taskId) => this.#found.has(taskId));
    return agreed.length === 0 ? {} : { taskIds: agreed };
  }

  async tell(send: (item: NewsItem) => void | Promise<void>, signal: AbortSignal): Promise<void> {
    const sendTask = async (params: object): Promise<void> => send({ method: "notifications/tasks", params });
    const follow = async ([taskId, found]: readonly [string, FoundImage]): Promise<void> => {
      try {
        await this.#follow(taskId, found, sendTask, signal);
      } catch (error) {
        if (!signal.aborted) logger.debug("task_news_not_sent", { error });
      }
    };
    await Promise.all(Array.from(this.#found, follow));
  }

  async #follow(
    taskId: string,
    first: FoundImage,
    sendTask: (task: object) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { follow, toTask } = this.#options;
    let found: FoundImage | undefined = first;
    while (found !== undefined && !signal.aborted) {
      await sendTask(await toTask(taskId, found));
      if (found.status !== "running") return;
      const ended = new AbortController();
      const onProgress = this.#createTeller(taskId, sendTask, AbortSignal.any([signal, ended.signal]));
      found = await follow(taskId, { signal, onProgress }).finally(() => ended.abort());
    }
  }

  /** Tells the last of the words that came within some time, unless they are the ones told before. */
  #createTeller(
    taskId: string,
    sendTask: (task: object) => Promise<void>,
    signal: AbortSignal,
  ): (progress: ImageProgress) => void {
    const { clock, toWorkingTask } = this.#options;
    let words: string | undefined;
    let told: string | undefined;
    let isWaiting = false;
    const tell = async (): Promise<void> => {
      await clock.sleep(QUIET_MS, signal);
      isWaiting = false;
      if (words === undefined || words === told) return;
      told = words;
      await sendTask(toWorkingTask(taskId, words));
    };
    return (progress) => {
      words = describeProgress(progress);
      if (isWaiting) return;
      isWaiting = true;
      void tell().catch((error: unknown) => {
        if (!signal.aborted) logger.debug("task_news_not_sent", { error });
      });
    };
  }
}
