import type { Clock } from "../core/clock.ts";
import { MCPImageError, toPublicError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { ImageService } from "../images/image-service.ts";
import type { JobEvent, RunningJob } from "../images/job-board.ts";
import { toRunningMetadata } from "../images/running-metadata.ts";
import { toJsonAnswer, type Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import { ANSWER_HEADERS, DATA_POLICY } from "./response-headers.ts";
import type { ServerState } from "./server-state.ts";

export interface JobRoutesOptions {
  readonly images: Pick<ImageService, "for">;
  readonly state: Pick<ServerState, "onDrain">;
  readonly clock: Clock;
  readonly baseUrl: () => string;
}

/** Watchers at a time; each costs a socket and little else. */
const MAX_WATCHERS = 256;
/** Shorter than the idle timeout of any proxy worth the name. */
const KEEP_ALIVE_MS = 15_000;
/** What may wait for a slow reader; beyond it the stream ends, and the browser comes again. */
const MAX_BUFFERED_BYTES = 256 * 1024;

/** The jobs of this process, as a list and as a stream of what happens to them. */
export class JobRoutes {
  readonly #options: JobRoutesOptions;
  #watchers = 0;

  constructor(options: JobRoutesOptions) {
    this.#options = options;
  }

  list({ caller }: Exchange): Answer {
    const jobs = this.#options.images.for(caller).listJobs();
    return toJsonAnswer(jobs.map((job) => this.#toJson(job)));
  }

  /** First every job, as `job` events, then what changes, until the client goes or the server shuts down. */
  watch(exchange: Exchange): undefined {
    const { images, state, clock } = this.#options;
    const { response } = exchange;
    const owned = images.for(exchange.caller);
    const jobs = owned.listJobs();
    if (this.#watchers >= MAX_WATCHERS) {
      throw new MCPImageError("too_many_watchers", "Too many streams of jobs are open");
    }
    const send = (text: string): void => {
      // Between its end and its close a stream still hears of jobs.
      if (response.writableEnded || response.destroyed) return;
      response.write(text);
      if (response.writableLength > MAX_BUFFERED_BYTES) response.destroy();
    };
    response.writeHead(200, [
      ...exchange.toHeaders(),
      ...ANSWER_HEADERS,
      "Content-Type",
      "text/event-stream",
      "Cache-Control",
      "no-store",
      "Content-Security-Policy",
      DATA_POLICY,
      // nginx would keep the events until it has a page full of them.
      "X-Accel-Buffering",
      "no",
    ]);
    if (exchange.method === "HEAD") {
      response.end();
      return;
    }
    send(": jobs of this server\n\n");
    for (const job of jobs) send(toEvent(this.#toJson(job)));
    const ended = new AbortController();
    const unsubscribe = owned.watchJobs((event) => send(toEvent(this.#toChange(event))));
    const stopDrain = state.onDrain(() => response.end());
    this.#watchers += 1;
    response.once("close", () => {
      this.#watchers -= 1;
      unsubscribe();
      stopDrain();
      ended.abort();
    });
    void keepAlive(clock, ended.signal, () => send(": still here\n\n"));
  }

  #toChange(event: JobEvent): JsonObject {
    const job = this.#toJson(event.job);
    switch (event.kind) {
      case "started":
      case "progressed":
        return job;
      case "succeeded":
        return { ...job, status: "succeeded" };
      case "failed": {
        const { error, message, retryable } = toPublicError(event.error);
        return { ...job, status: "failed", error, message, retryable };
      }
    }
  }

  #toJson(job: RunningJob): JsonObject {
    return { ...toRunningMetadata(job), url: `${this.#options.baseUrl()}/images/${job.imageId}` };
  }
}

function toEvent(job: JsonObject): string {
  return `event: job\ndata: ${JSON.stringify(job)}\n\n`;
}

async function keepAlive(clock: Clock, signal: AbortSignal, send: () => void): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(KEEP_ALIVE_MS, signal).catch(() => undefined);
    if (!signal.aborted) send();
  }
}
