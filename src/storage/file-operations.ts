import { toFileStorageError, type FailedOperation } from "./file-errors.ts";

/** What is being done to files now: its failures are those of a store, and `settle()` waits for it. */
export class FileOperations {
  readonly #inFlight = new Set<Promise<unknown>>();

  /** @throws {StorageError} of the operation, with the message */
  async run<Result>(
    operation: FailedOperation,
    message: string,
    signal: AbortSignal | undefined,
    work: () => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    const running = work();
    this.#inFlight.add(running);
    try {
      return await running;
    } catch (error) {
      throw toFileStorageError(error, operation, message, signal);
    } finally {
      this.#inFlight.delete(running);
    }
  }

  /** Resolves when everything that was begun has ended. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
  }
}
