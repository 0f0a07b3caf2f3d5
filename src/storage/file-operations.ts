import { StorageError } from "../core/errors.ts";
import { toFileStorageError, type FailedOperation } from "./file-errors.ts";

/** What is being done to files now: its failures are those of a store, and `close()` waits for it. */
export class FileOperations {
  readonly #inFlight = new Set<Promise<unknown>>();
  #isClosed = false;

  /** @throws {StorageError} of the operation, with the message */
  async run<Result>(
    operation: FailedOperation,
    message: string,
    signal: AbortSignal | undefined,
    work: () => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new StorageError("storage_unavailable", `${message}: the storage is closed`);
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

  /** Takes no more, and resolves when everything that was begun has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#inFlight);
  }
}
