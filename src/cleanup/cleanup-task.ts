import { systemClock, type Clock } from "../core/clock.ts";
import { getLogger } from "../logging/logger.ts";
import type { AbstractStorage } from "../storage/abstract-storage.ts";
import { noMetrics, type Metrics } from "../telemetry/metrics.ts";

export interface CleanupTaskOptions {
  readonly storage: Pick<AbstractStorage, "cleanupExpiredImages">;
  /** From the end of one cycle to the start of the next. */
  readonly intervalSeconds: number;
  /** `Infinity`: pictures never expire, and a cycle only sweeps what crashes left behind. */
  readonly ttlSeconds: number;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
}

const logger = getLogger("cleanup");

/** Deletes expired pictures at an interval. A cycle never overlaps another; a failing one is logged and the next comes. */
export class CleanupTask {
  readonly #options: CleanupTaskOptions;
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  #cycle: Promise<number> | undefined;
  #controller: AbortController | undefined;
  #task: Promise<void> | undefined;

  constructor(options: CleanupTaskOptions) {
    this.#options = options;
    this.#metrics = options.metrics ?? noMetrics;
    this.#clock = options.clock ?? systemClock;
  }

  /** True from `start()` until `stop()` has returned. */
  get running(): boolean {
    return this.#task !== undefined;
  }

  /** The loop, settled when it has ended; `undefined` while it does not run. */
  get task(): Promise<void> | undefined {
    return this.#task;
  }

  /** Starts the loop; its first cycle begins at once. Does nothing while it runs. */
  start(): void {
    if (this.#task !== undefined) return;
    this.#controller = new AbortController();
    this.#task = this.#loop(this.#controller.signal);
  }

  /** Aborts the cycle in progress and resolves when it has ended. Safe to call twice. */
  async stop(): Promise<void> {
    const task = this.#task;
    this.#controller?.abort();
    await task;
    if (this.#task === task) this.#task = undefined;
  }

  /**
   * Runs one cycle and gives how many pictures it deleted. A call during a cycle gets that cycle's result.
   *
   * @throws {StorageError} when the cycle failed
   */
  async runCleanup(signal?: AbortSignal): Promise<number> {
    this.#cycle ??= this.#runCycle(signal).finally(() => {
      this.#cycle = undefined;
    });
    return this.#cycle;
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.runCleanup(signal).catch(() => undefined);
      await this.#clock.sleep(this.#options.intervalSeconds * 1000, signal).catch(() => undefined);
    }
  }

  async #runCycle(signal: AbortSignal | undefined): Promise<number> {
    const { storage, ttlSeconds, intervalSeconds } = this.#options;
    const startedAtMs = this.#clock.monotonicMs();
    try {
      const budgetMs = (intervalSeconds * 1000) / 2; // the disk belongs to others half of the time at least
      const deleted = await storage.cleanupExpiredImages(ttlSeconds, { budgetMs, ...(signal && { signal }) });
      this.#metrics.cleanupEnded("ok", deleted, this.#clock.nowMs());
      const seconds = Math.round(this.#clock.monotonicMs() - startedAtMs) / 1000;
      logger[deleted > 0 ? "info" : "debug"]("cleanup_finished", { deleted, seconds });
      return deleted;
    } catch (error) {
      if (!signal?.aborted) {
        this.#metrics.cleanupEnded("failed", 0, this.#clock.nowMs());
        logger.error("cleanup_failed", { error });
      }
      throw error;
    }
  }
}
