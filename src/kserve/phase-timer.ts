import type { Clock } from "../core/clock.ts";

/** A timer for one phase at a time: starting the next phase ends the one before. */
export class PhaseTimer {
  readonly #clock: Clock;
  #current: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(delayMs: number, onElapsed: () => void): void {
    this.stop();
    const phase = new AbortController();
    this.#current = phase;
    const elapse = (): void => {
      if (this.#current === phase) onElapsed();
    };
    this.#clock.sleep(delayMs, phase.signal).then(elapse, () => undefined);
  }

  /** A phase that ends when nothing was active for `limitMs`. */
  startIdle(limitMs: number, lastActiveAtMs: () => number, onIdle: () => void): void {
    const restMs = lastActiveAtMs() + limitMs - this.#clock.monotonicMs();
    if (restMs <= 0) onIdle();
    else this.start(restMs, () => this.startIdle(limitMs, lastActiveAtMs, onIdle));
  }

  stop(): void {
    this.#current?.abort();
    this.#current = undefined;
  }
}
