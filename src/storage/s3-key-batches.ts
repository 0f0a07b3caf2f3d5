import { StorageError } from "../core/errors.ts";

/** As many keys as one DeleteObjects takes, and as one listing gives. */
export const MAX_KEYS = 1000;
/** A server that does not get through even as many in time is out of order, not slow. */
const FEWEST_KEYS = 50;

/** Cuts long lists of keys for requests; into shorter ones once a server was too slow: some delete one key after the other. */
export class KeyBatches {
  #size = MAX_KEYS;

  /** Runs `work` on one batch after the other. @throws what it throws, a timeout only for a short batch */
  async forEach(keys: readonly string[], work: (batch: readonly string[]) => Promise<void>): Promise<void> {
    for (let start = 0; start < keys.length;) {
      const batch = keys.slice(start, start + this.#size);
      try {
        await work(batch);
        start += batch.length;
      } catch (error) {
        if (!isTimeout(error) || batch.length <= FEWEST_KEYS) throw error;
        this.#size = Math.max(FEWEST_KEYS, Math.floor(batch.length / 4));
      }
    }
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof StorageError && error.code === "storage_timeout";
}
