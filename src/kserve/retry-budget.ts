const CAPACITY = 10;
const TOKENS_PER_SUCCESS = 0.1;

/**
 * What all calls together may spend on retries: a bucket of 10, one for each retry, a tenth back for each success. So an
 * endpoint that fails for everybody is not asked several times by everybody.
 */
export class RetryBudget {
  #tokens = CAPACITY;

  /** False when the bucket is empty. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  noteSuccess(): void {
    // In whole tenths, or ten tenths would be less than one.
    this.#tokens = Math.min(CAPACITY, Math.round((this.#tokens + TOKENS_PER_SUCCESS) * 10) / 10);
  }
}
