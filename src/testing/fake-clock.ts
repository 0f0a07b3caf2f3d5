import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";

/** A clock that moves only when a test says so. */
export interface FakeClock extends Clock {
  /** How many sleep now. */
  readonly sleepers: number;
  /**
   * Moves both times on and wakes who is due, in order of time; each may run and sleep again before the next wakes,
   * so a loop that sleeps 1 s is woken three times by `advance(3000)`.
   */
  advance(delayMs: number): Promise<void>;
  /** Resolves as soon as at least `count` (default 1) sleep. */
  waitForSleepers(count?: number): Promise<void>;
}

export interface FakeClockOptions {
  /** Default: 2026-01-01T00:00:00.000Z. */
  readonly nowMs?: number;
}

interface Sleeper {
  readonly wakeAtMs: number;
  readonly wake: () => void;
}

export function createFakeClock(options: FakeClockOptions = {}): FakeClock {
  const startMs = options.nowMs ?? Date.UTC(2026, 0, 1);
  let elapsedMs = 0;
  const sleepers = new Set<Sleeper>();
  const waiters = new Set<{ readonly count: number; readonly resolve: () => void }>();

  const addSleeper = (sleeper: Sleeper): void => {
    sleepers.add(sleeper);
    for (const waiter of waiters) {
      if (sleepers.size < waiter.count) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };

  const nextDue = (untilMs: number): Sleeper | undefined => {
    let next: Sleeper | undefined;
    for (const sleeper of sleepers) {
      if (sleeper.wakeAtMs <= untilMs && (next === undefined || sleeper.wakeAtMs < next.wakeAtMs)) next = sleeper;
    }
    return next;
  };

  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    get sleepers() {
      return sleepers.size;
    },
    sleep: async (delayMs, signal) => {
      signal?.throwIfAborted();
      // Time that is already over needs nobody to move the clock.
      if (delayMs <= 0) return nextTurn();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const sleeper = { wakeAtMs: elapsedMs + delayMs, wake: resolve };
      const abort = (): void => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      addSleeper(sleeper);
      try {
        await promise;
      } finally {
        sleepers.delete(sleeper);
        signal?.removeEventListener("abort", abort);
      }
    },
    advance: async (delayMs) => {
      const untilMs = elapsedMs + delayMs;
      await nextTurn();
      for (let next = nextDue(untilMs); next !== undefined; next = nextDue(untilMs)) {
        elapsedMs = Math.max(elapsedMs, next.wakeAtMs);
        sleepers.delete(next);
        next.wake();
        await nextTurn();
      }
      elapsedMs = Math.max(elapsedMs, untilMs);
    },
    waitForSleepers: async (count = 1) => {
      if (sleepers.size >= count) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiters.add({ count, resolve });
      await promise;
    },
  };
}
