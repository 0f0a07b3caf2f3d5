import type { Clock } from "../core/clock.ts";
import type { ImageGenerator } from "../kserve/generated-image.ts";
import type { Lease } from "../queue/fair-queue.ts";

export interface AbandonedJobsOptions {
  readonly generator: ImageGenerator;
  /** The longest that a place is kept. */
  readonly limitMs: number;
  readonly clock: Clock;
}

/** The estimate is a mean, so it is doubled and this added: an answer of the server ends the wait earlier anyway. */
const MARGIN_MS = 1000;

/**
 * Jobs that nobody waits for any more but that the model server may still run. Each keeps its place in the queue until
 * the server is idle again, so that the next job does not wait behind it with its own time running.
 */
export class AbandonedJobs {
  readonly #generator: ImageGenerator;
  readonly #limitMs: number;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #waits = new Set<Promise<void>>();

  constructor(options: AbandonedJobsOptions) {
    this.#generator = options.generator;
    this.#limitMs = options.limitMs;
    this.#clock = options.clock;
  }

  /** Gives the place back when the generator is idle, or when the limit is over. */
  hold(lease: Lease): void {
    const wait = this.#waitUntilIdle(lease).finally(() => {
      lease.release({ isSample: false });
      this.#waits.delete(wait);
    });
    this.#waits.add(wait);
  }

  /** Gives every place back, now and in future; resolves when nothing asks the generator any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#waits);
  }

  async #waitUntilIdle(lease: Lease): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#closing.signal]);
    const restMs = lease.estimateRestMs();
    const estimatedMs = restMs === undefined ? this.#limitMs : Math.min(2 * restMs + MARGIN_MS, this.#limitMs);
    const limit = this.#clock.sleep(this.#limitMs, signal).catch(() => undefined);
    await Promise.race([this.#generator.waitUntilIdle?.({ signal, estimatedMs }), limit]);
    over.abort();
  }
}
