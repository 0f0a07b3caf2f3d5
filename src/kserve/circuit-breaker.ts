import type { Clock } from "../core/clock.ts";
import { getLogger } from "../logging/logger.ts";
import { UpstreamError } from "./upstream-error.ts";
import type { CircuitState, UpstreamObserver } from "./upstream-observer.ts";

export interface CircuitBreakerOptions {
  readonly clock: Clock;
  readonly observer: UpstreamObserver;
}

const MAX_FAILURES = 5;
const FIRST_PAUSE_MS = 5000;
const MAX_PAUSE_MS = 60_000;

const logger = getLogger("kserve");

/**
 * Spares a server that cannot work: after 5 failures in a row calls fail at once, until a question of readiness, never a
 * job, is answered. Then one more failure closes the way again, for twice as long, at most 60 s.
 */
export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #observer: UpstreamObserver;
  #state: CircuitState = "closed";
  #failures = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #openUntilMs = 0;
  #isProbing = false;

  constructor({ clock, observer }: CircuitBreakerOptions) {
    this.#clock = clock;
    this.#observer = observer;
  }

  get state(): CircuitState {
    return this.#state;
  }

  /**
   * Resolves when a job may be sent. While the circuit is open, one caller at the end of each pause asks `isAnswering`.
   *
   * @throws {UpstreamError} `upstream_unavailable` with `retry_after_seconds`
   */
  async enter(isAnswering: () => Promise<boolean>): Promise<void> {
    if (this.#state !== "open") return;
    const restMs = this.#openUntilMs - this.#clock.monotonicMs();
    if (restMs > 0 || this.#isProbing) throw circuitOpen(Math.max(restMs, 1000));
    this.#isProbing = true;
    try {
      if (await isAnswering()) {
        this.#failures = MAX_FAILURES - 1;
        this.#change("half_open");
        return;
      }
    } finally {
      this.#isProbing = false;
    }
    this.#open();
    throw circuitOpen(this.#pauseMs);
  }

  noteSuccess(): void {
    this.#failures = 0;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#change("closed");
  }

  /** Counts a job that was not executed, or was answered with 5xx; a timeout and the caller's own mistakes tell nothing. */
  noteFailure(error: unknown): void {
    if (!(error instanceof UpstreamError) || this.#state === "open") return;
    const { upstream_status: status = 0 } = error.details;
    const isServerError = Number(status) >= 500 && error.code !== "upstream_timeout" && error.code !== "out_of_memory";
    const isNotExecuted = error.retry === "after_backoff" && Number(status) !== 429;
    if (!isServerError && !isNotExecuted) return;
    this.#failures += 1;
    if (this.#failures >= MAX_FAILURES) this.#open();
  }

  #open(): void {
    if (this.#state !== "closed") this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
    this.#openUntilMs = this.#clock.monotonicMs() + this.#pauseMs;
    this.#change("open");
  }

  #change(state: CircuitState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#observer.upstreamCircuitChanged(state);
    logger.warn("kserve_circuit_changed", { state, ...(state === "open" && { pause_ms: this.#pauseMs }) });
  }
}

function circuitOpen(restMs: number): UpstreamError {
  const seconds = Math.ceil(restMs / 1000);
  return new UpstreamError("upstream_unavailable", {
    state: `the server failed ${MAX_FAILURES} times in a row and is left alone`,
    retryAfterMs: restMs,
    publicMessage: `The model server fails; it is asked again in ${seconds} s`,
    details: { circuit: "open" },
  });
}
