import { MCPImageError, type ErrorCode } from "../core/errors.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { getLogger } from "../logging/logger.ts";
import type { LimitStore, WindowLimit } from "./limit-store.ts";
import { MemoryLimitStore } from "./memory-limit-store.ts";

export interface CallLimitsOptions {
  /** Jobs of one client; `undefined`: any number. */
  readonly perMinute?: number | undefined;
  readonly perDay?: number | undefined;
  /** That run or wait at once. */
  readonly atOnce?: number | undefined;
  /** Shared by replicas. Default: counts of this process. */
  readonly store?: LimitStore;
  /** What to do while the shared store fails: count in this process alone (`local`), or refuse (`refuse`). */
  readonly onFailure?: "local" | "refuse";
  readonly clock?: Clock;
}

/** A job that was let in. */
export interface Admission {
  /** Ends the job. One that was not begun after all does not count. Never rejects. */
  release(options?: { readonly wasBegun?: boolean }): Promise<void>;
}

const MINUTE_SECONDS = 60;
const DAY_SECONDS = 86_400;
/** How long after a failure the shared store is left alone, and how often a failure is told. */
const PAUSE_MS = 5_000;

const logger = getLogger("access");

/** How many jobs one client may begin: asked before each job, so that no batch of calls gets past it. */
export class CallLimits {
  readonly #windows: readonly (readonly [WindowLimit, ErrorCode])[];
  readonly #atOnce: number | undefined;
  readonly #shared: LimitStore | undefined;
  readonly #local: LimitStore;
  readonly #onFailure: "local" | "refuse";
  readonly #clock: Clock;
  #pausedUntilMs = -Infinity;

  constructor(options: CallLimitsOptions) {
    const { perMinute, perDay } = options;
    this.#windows = [
      ...(perMinute === undefined ? [] : [toWindow("minute", perMinute, MINUTE_SECONDS, "rate_limited")]),
      ...(perDay === undefined ? [] : [toWindow("day", perDay, DAY_SECONDS, "daily_limit_reached")]),
    ];
    this.#atOnce = options.atOnce;
    this.#shared = options.store;
    this.#clock = options.clock ?? systemClock;
    this.#local = new MemoryLimitStore({ clock: this.#clock });
    this.#onFailure = options.onFailure ?? "local";
  }

  /**
   * Lets one job of a client in.
   *
   * @throws {MCPImageError} `too_many_jobs`, `rate_limited`, `daily_limit_reached`, `limits_unavailable`
   */
  async admit(client: string, jobId: string): Promise<Admission> {
    if (this.#windows.length === 0 && this.#atOnce === undefined) return { release: async () => undefined };
    const shared = this.#shared;
    if (shared === undefined) return this.#admitIn(this.#local, client, jobId);
    if (this.#clock.monotonicMs() >= this.#pausedUntilMs) {
      try {
        return await this.#admitIn(shared, client, jobId);
      } catch (error) {
        if (error instanceof MCPImageError && error.code !== "configuration_invalid") throw error;
        this.#pausedUntilMs = this.#clock.monotonicMs() + PAUSE_MS;
        logger.warn("limits_not_shared", { on_failure: this.#onFailure, error });
      }
    }
    if (this.#onFailure === "local") return this.#admitIn(this.#local, client, jobId);
    throw new MCPImageError("limits_unavailable", "Cannot count the job: the shared store of limits fails", {
      details: { retry_after_seconds: PAUSE_MS / 1000 },
    });
  }

  async close(): Promise<void> {
    await this.#shared?.close();
  }

  async #admitIn(store: LimitStore, client: string, jobId: string): Promise<Admission> {
    if (this.#atOnce !== undefined && !(await store.hold(client, jobId, this.#atOnce))) throw tooMany(this.#atOnce);
    const taken: WindowLimit[] = [];
    const release = async ({ wasBegun = true } = {}): Promise<void> => {
      const tasks = wasBegun ? [] : taken.map(async (limit) => store.giveBack(limit, client));
      if (this.#atOnce !== undefined) tasks.push(store.letGo(client, jobId));
      await Promise.all(tasks).catch((error: unknown) => logger.warn("limit_not_released", { error }));
    };
    for (const [limit, code] of this.#windows) {
      const waitMs = await store.take(limit, client);
      if (waitMs === undefined) {
        taken.push(limit);
        continue;
      }
      await release({ wasBegun: false });
      throw overLimit(limit, code, waitMs);
    }
    return { release };
  }
}

function toWindow(
  name: string,
  most: number,
  windowSeconds: number,
  code: ErrorCode,
): readonly [WindowLimit, ErrorCode] {
  return [{ name, most, windowSeconds }, code];
}

function tooMany(atOnce: number): MCPImageError {
  return new MCPImageError("too_many_jobs", `The client has ${atOnce} jobs already`, {
    publicMessage: `You have ${atOnce} pictures in the making already, which is the limit. Call again when one is done`,
    details: { limit: atOnce, retry_after_seconds: 5 },
  });
}

function overLimit({ name, most }: WindowLimit, code: ErrorCode, waitMs: number): MCPImageError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new MCPImageError(code, `The client has begun ${most} jobs in this ${name}`, {
    publicMessage: `You have asked for ${most} pictures within a ${name}, which is the limit. Call again in ${toWords(seconds)}`,
    details: { limit: most, retry_after_seconds: seconds },
  });
}

function toWords(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.ceil(seconds / 60)} minutes` : `${Math.ceil(seconds / 3_600)} hours`;
}
