import { MCPImageError } from "../core/errors.ts";

interface Waiting {
  readonly turn: PromiseWithResolvers<void>;
}

/** Runs one job at a time, in the order of arrival; a bounded number may wait. */
export class JobLine {
  readonly #maxWaiting: number;
  readonly #waiting: Waiting[] = [];
  #isBusy = false;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /** Jobs that wait for their turn. */
  get length(): number {
    return this.#waiting.length;
  }

  /**
   * The outcome of `work`, once its turn has come. A job that is aborted while it waits leaves at once and never starts.
   *
   * @throws {MCPImageError} `queue_full` at once when too many wait already, `cancelled` when aborted while waiting
   */
  async run<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    if (this.#isBusy) await this.#wait(signal);
    this.#isBusy = true;
    try {
      if (signal.aborted) throw cancelled();
      return await work();
    } finally {
      this.#passOn();
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new MCPImageError("queue_full", `${this.#maxWaiting} jobs are waiting already`);
    }
    const waiting: Waiting = { turn: Promise.withResolvers() };
    const leave = (): void => {
      const index = this.#waiting.indexOf(waiting);
      if (index === -1) return;
      this.#waiting.splice(index, 1);
      waiting.turn.reject(cancelled());
    };
    this.#waiting.push(waiting);
    signal.addEventListener("abort", leave, { once: true });
    try {
      if (signal.aborted) leave();
      await waiting.turn.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** The place is never free in between, so that nobody can step in before the first of the line. */
  #passOn(): void {
    const next = this.#waiting.shift();
    if (next) next.turn.resolve();
    else this.#isBusy = false;
  }
}

function cancelled(): MCPImageError {
  return new MCPImageError("cancelled", "The job was cancelled before it began");
}
