import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { getLogger } from "../logging/logger.ts";
import type { GenerationProgress } from "./generated-image.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { UpstreamError } from "./upstream-error.ts";

export interface RetriesOptions {
  readonly maxRetries: number;
  /** Shared by all calls. */
  readonly budget: RetryBudget;
  readonly clock: Clock;
  readonly random: Random;
  /** On the monotonic clock; a pause that would end later is not begun. */
  readonly deadlineAtMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: GenerationProgress) => void;
}

const FIRST_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 15_000;
const MEMORY_PAUSE_MS = 5000;

const logger = getLogger("kserve");

/** The pauses of one call: how many are left, and how long the next one is. */
export class Retries {
  readonly #options: RetriesOptions;
  #used = 0;
  #hasPausedForMemory = false;

  constructor(options: RetriesOptions) {
    this.#options = options;
  }

  /** Pauses before the next attempt, or throws the error again when there must be none. */
  async pauseAfter(error: unknown): Promise<void> {
    if (!(error instanceof UpstreamError)) throw error;
    const delayMs = this.#takeDelayMs(error);
    if (delayMs === undefined) throw error;
    const { budget, clock, deadlineAtMs, onProgress, signal } = this.#options;
    if (clock.monotonicMs() + delayMs >= deadlineAtMs) throw error;
    if (!budget.take()) {
      logger.warn("kserve_retry_budget_empty", { error });
      throw error;
    }
    this.#used += 1;
    logger.warn("kserve_retry", { attempt: this.#used, delay_ms: Math.round(delayMs), error });
    onProgress({ phase: "retrying", attempt: this.#used, delayMs });
    await clock.sleep(delayMs, signal);
  }

  #takeDelayMs(error: UpstreamError): number | undefined {
    if (error.retry === "never" || this.#used >= this.#options.maxRetries) return undefined;
    if (error.retry === "after_backoff") return error.retryAfterMs ?? toBackoffMs(this.#used, this.#options.random);
    if (this.#hasPausedForMemory) return undefined;
    this.#hasPausedForMemory = true;
    return MEMORY_PAUSE_MS;
  }
}

/** Full jitter: a random part of 1 s, doubled per earlier retry, at most 15 s. */
export function toBackoffMs(earlierRetries: number, random: Random): number {
  return random.fraction() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** earlierRetries);
}
