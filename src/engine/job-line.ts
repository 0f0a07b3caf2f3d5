import { MCPImageError } from "../core/errors.ts";

/** Runs one job at a time, in the order of arrival; a bounded number may wait. */
export class JobLine {
  readonly #maxWaiting: number;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /**
   * The outcome of `work`, once its turn has come. A job that is aborted while it waits never starts.
   *
   * @throws {MCPImageError} `queue_full` at once when too many wait already, `cancelled` when aborted while waiting
   */
  async run<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    if (this.#waiting > this.#maxWaiting) {
      throw new MCPImageError("queue_full", `${this.#maxWaiting} jobs are waiting already`);
    }
    this.#waiting++;
    const turn = this.#last;
    const done = Promise.withResolvers<void>();
    this.#last = done.promise;
    try {
      await turn;
      if (signal.aborted) throw new MCPImageError("cancelled", "The job was cancelled before it began");
      return await work();
    } finally {
      this.#waiting--;
      done.resolve();
    }
  }
}
