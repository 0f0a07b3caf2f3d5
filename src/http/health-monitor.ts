import type { Clock } from "../core/clock.ts";
import { getLogger } from "../logging/logger.ts";

export type HealthWord = "healthy" | "unhealthy";

/** Looks at one thing outside. A check that throws or takes too long counts as `unhealthy`. */
export type HealthCheck = (signal: AbortSignal) => Promise<HealthWord>;

export interface HealthChecks {
  readonly kserve: HealthCheck;
  readonly storage: HealthCheck;
}

export interface HealthReport {
  readonly kserve: HealthWord;
  readonly storage: HealthWord;
}

export interface HealthMonitorOptions {
  readonly checks: HealthChecks;
  readonly clock: Clock;
  /** How long a report is given again. */
  readonly cacheMs: number;
  /** The longest that a report takes. */
  readonly timeoutMs: number;
}

const logger = getLogger("http");

/** Answers probes quickly, and asks outside at most once in a while however many probes there are. */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  #report: Promise<HealthReport> | undefined;
  #expiresAtMs = -Infinity;

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  async getReport(): Promise<HealthReport> {
    const { clock, cacheMs, timeoutMs } = this.#options;
    if (this.#report === undefined || clock.monotonicMs() >= this.#expiresAtMs) {
      this.#expiresAtMs = clock.monotonicMs() + cacheMs + timeoutMs;
      this.#report = this.#ask();
    }
    return this.#report;
  }

  async #ask(): Promise<HealthReport> {
    const { checks, clock, cacheMs } = this.#options;
    const [kserve, storage] = await Promise.all([
      this.#askOne("kserve", checks.kserve),
      this.#askOne("storage", checks.storage),
    ]);
    this.#expiresAtMs = clock.monotonicMs() + cacheMs;
    return { kserve, storage };
  }

  async #askOne(subject: string, check: HealthCheck): Promise<HealthWord> {
    const { clock, timeoutMs } = this.#options;
    const ended = new AbortController();
    const timeout = async (): Promise<HealthWord> => {
      await clock.sleep(timeoutMs, ended.signal);
      logger.warn("health_check_slow", { subject });
      return "unhealthy";
    };
    try {
      return await Promise.race([check(ended.signal), timeout()]);
    } catch (error) {
      logger.warn("health_check_failed", { subject, error });
      return "unhealthy";
    } finally {
      ended.abort();
    }
  }
}
