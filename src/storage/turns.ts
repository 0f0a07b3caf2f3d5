/** Lets the work on one picture wait for what this process has begun on it before. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs the work when what was begun for this id has ended, however it ended. */
  async take<Result>(id: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(id);
    const running = before === undefined ? work() : before.then(work, work);
    this.#last.set(id, running);
    try {
      return await running;
    } finally {
      if (this.#last.get(id) === running) this.#last.delete(id);
    }
  }
}
