/** The only source of time below `cli/`, so that tests can move it. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970. */
  nowMs(): number;
  /** Milliseconds of a clock that never goes back; only differences mean something. */
  monotonicMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's clock. A sleeping timer does not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  // By hand: each call waits for things that it then no longer needs, and an aborted `node:timers/promises` makes two
  // errors with their stacks.
  sleep: async (delayMs, signal) =>
    new Promise<void>((resolve, reject) => {
      signal?.throwIfAborted();
      const stop = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(
        () => {
          signal?.removeEventListener("abort", stop);
          resolve();
        },
        Math.max(0, delayMs),
      ).unref();
      signal?.addEventListener("abort", stop, { once: true });
    }),
};
