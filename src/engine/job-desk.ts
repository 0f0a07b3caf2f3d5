import type { Clock } from "../core/clock.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { JobLine } from "./job-line.ts";
import type { Drawing } from "./protocol/drawing.ts";
import type { DrawOptions } from "./protocol/engine-routes.ts";
import type { DrawnPicture } from "./worker-messages.ts";

/** What draws: one picture at a time. */
export interface PictureExecutor {
  /** Resolves when the model is loaded; after a crash, when it is loaded again. */
  start(): Promise<void>;
  generate(
    request: GenerationRequest,
    options: { readonly signal: AbortSignal; readonly onStep: (step: number, totalSteps: number) => void },
  ): Promise<DrawnPicture>;
}

export interface JobDeskOptions {
  readonly executor: PictureExecutor;
  readonly clock: Clock;
  /** Requests that may wait behind the one that is drawn. */
  readonly maxWaiting: number;
}

/** How far a request is, as it leaves the process. */
export interface JobProgress {
  readonly step: number;
  /** Null while the request waits for its turn. */
  readonly total_steps: number | null;
  /** Counted from 1. */
  readonly picture: number;
  readonly pictures: number;
}

/** How much of the newest duration goes into the estimate. */
const NEWEST_WEIGHT = 0.3;
const MAX_RETRY_AFTER_SECONDS = 600;

/** Takes requests, has their pictures drawn in turn, and tells how far each is. */
export class JobDesk {
  readonly #executor: PictureExecutor;
  readonly #clock: Clock;
  readonly #line: JobLine;
  readonly #progress = new Map<string, JobProgress>();
  #usualMs = 1000;

  constructor({ executor, clock, maxWaiting }: JobDeskOptions) {
    this.#executor = executor;
    this.#clock = clock;
    this.#line = new JobLine(maxWaiting);
  }

  /** When one who was turned away has good chances: at least 1. */
  get retryAfterSeconds(): number {
    const seconds = Math.ceil(((this.#line.length + 1) * this.#usualMs) / 1000);
    return Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, seconds));
  }

  progressOf(requestId: string): JobProgress | undefined {
    return this.#progress.get(requestId);
  }

  /** @throws {MCPImageError} `queue_full`, `cancelled`, or why the first picture that failed did */
  async draw(requests: readonly GenerationRequest[], { requestId, signal }: DrawOptions): Promise<readonly Drawing[]> {
    const arrivedMs = this.#clock.monotonicMs();
    const report = (progress: Omit<JobProgress, "pictures">): void => {
      if (requestId !== undefined) this.#progress.set(requestId, { ...progress, pictures: requests.length });
    };
    report({ step: 0, total_steps: null, picture: 1 });
    try {
      return await this.#line.run(signal, async () => {
        await this.#executor.start();
        const queueMs = this.#clock.monotonicMs() - arrivedMs;
        const drawings: Drawing[] = [];
        for (const [index, request] of requests.entries()) {
          const onStep = (step: number, total: number): void => {
            report({ step, total_steps: total, picture: index + 1 });
          };
          const picture = await this.#timed(async () => this.#executor.generate(request, { signal, onStep }));
          drawings.push({ request, picture, queueMs });
        }
        return drawings;
      });
    } finally {
      if (requestId !== undefined) this.#progress.delete(requestId);
    }
  }

  async #timed<Result>(work: () => Promise<Result>): Promise<Result> {
    const startedMs = this.#clock.monotonicMs();
    const result = await work();
    const elapsedMs = this.#clock.monotonicMs() - startedMs;
    this.#usualMs += NEWEST_WEIGHT * (elapsedMs - this.#usualMs);
    return result;
  }
}
