import { systemClock, type Clock } from "../core/clock.ts";
import { KServeError, MCPImageError } from "../core/errors.ts";

export interface FairQueueOptions {
  /** Jobs in flight at once, 1 or more. */
  readonly concurrency: number;
  /** Jobs that may wait, 0 or more; one more is refused at once with `queue_full`. */
  readonly depth: number;
  /** How long a job may wait before `queue_timeout`. */
  readonly timeoutMs: number;
  readonly clock?: Clock;
}

export interface QueuePosition {
  /** Jobs that start before this one, those in flight included. */
  readonly ahead: number;
  /** From the mean of the recent jobs; `undefined` before the first has ended. */
  readonly estimatedSeconds: number | undefined;
}

export interface EnqueueOptions {
  readonly signal?: AbortSignal;
  /** Called while the job waits, at once and whenever its place changes. */
  readonly onPosition?: (position: QueuePosition) => void;
}

/** A place in flight; give it back exactly once (more calls do nothing). */
export interface Lease {
  readonly waitedMs: number;
  /** Jobs that were to start before this one when it came. */
  readonly ahead: number;
  /**
   * How much longer the job takes if it is like the recent ones; one that has overrun is given their mean once more.
   * `undefined` before the first has ended.
   */
  estimateRestMs(): number | undefined;
  /** `isSample: false` keeps the duration out of the estimates: a job that failed says nothing about the next. */
  release(options?: { readonly isSample?: boolean }): void;
}

interface Waiter {
  readonly clientId: string;
  readonly onPosition: ((position: QueuePosition) => void) | undefined;
  state: "waiting" | "turn" | "displaced";
  readonly wake: () => void;
}

/** Weight of the newest job in the running mean of durations. */
const SMOOTHING = 0.3;
/** A reason of one's own: the default one is an error with its stack, for each job. */
const OVER = "the wait is over";

/**
 * A bounded queue in front of the model server: first in, first out within a client, round-robin between clients,
 * so that one who asks for a hundred pictures does not starve one who asks for one. When it is full, a job of a client
 * with few in it takes the place of the newest job of the client with most.
 */
export class FairQueue {
  readonly #concurrency: number;
  readonly #depth: number;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  /** Clients in the order of their next turn; each has at least one waiter. */
  readonly #waiting = new Map<string, Waiter[]>();
  #running = 0;
  #waitingCount = 0;
  #meanMs: number | undefined;

  constructor(options: FairQueueOptions) {
    this.#concurrency = options.concurrency;
    this.#depth = options.depth;
    this.#timeoutMs = options.timeoutMs;
    this.#clock = options.clock ?? systemClock;
  }

  /** Jobs that may be in flight at once. */
  get concurrency(): number {
    return this.#concurrency;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waitingCount;
  }

  /**
   * Waits for a turn.
   *
   * @throws {KServeError} `queue_full` at once, or later when a client with fewer jobs needs the place;
   *   `queue_timeout` after the wait
   * @throws {MCPImageError} `cancelled` when the signal aborts while waiting
   */
  async acquire(clientId: string, options: EnqueueOptions = {}): Promise<Lease> {
    const { signal, onPosition } = options;
    if (signal?.aborted) throw cancelled(signal);
    if (this.#running < this.#concurrency && this.#waitingCount === 0) return this.#start();
    if (this.#waitingCount >= this.#depth && !this.#displaceFor(clientId)) throw this.#full();

    const enqueuedAtMs = this.#clock.monotonicMs();
    const woken = Promise.withResolvers<void>();
    const waiter: Waiter = { clientId, onPosition, state: "waiting", wake: woken.resolve };
    this.#add(waiter);
    const position = this.#positionOf(waiter);
    onPosition?.(position);

    const stopWaiting = new AbortController();
    await Promise.race([
      woken.promise,
      this.#clock.sleep(this.#timeoutMs, stopWaiting.signal).catch(() => undefined),
      ...(signal ? [aborted(signal, stopWaiting.signal)] : []),
    ]);
    stopWaiting.abort(OVER);
    if (waiter.state === "displaced") throw this.#full();
    if (waiter.state === "waiting") {
      this.#remove(waiter);
      this.#announcePositions();
      throw signal?.aborted ? cancelled(signal) : this.#timedOut();
    }
    // The turn may have come in the same tick as the abort: the place is then ours to give back.
    if (signal?.aborted) {
      this.#release();
      throw cancelled(signal);
    }
    return this.#lease(this.#clock.monotonicMs() - enqueuedAtMs, position.ahead);
  }

  /** Where a job that came now would stand. */
  nextPosition(): QueuePosition {
    return this.#position(this.#running + this.#waitingCount);
  }

  #start(): Lease {
    const ahead = this.#running;
    this.#running++;
    return this.#lease(0, ahead);
  }

  #lease(waitedMs: number, ahead: number): Lease {
    const startedAtMs = this.#clock.monotonicMs();
    const elapsedMs = (): number => this.#clock.monotonicMs() - startedAtMs;
    let released = false;
    return {
      waitedMs,
      ahead,
      estimateRestMs: () => {
        const meanMs = this.#meanMs;
        return meanMs === undefined || elapsedMs() >= meanMs ? meanMs : meanMs - elapsedMs();
      },
      release: ({ isSample = true } = {}) => {
        if (released) return;
        released = true;
        if (isSample) this.#learn(elapsedMs());
        this.#release();
      },
    };
  }

  #learn(durationMs: number): void {
    this.#meanMs = this.#meanMs === undefined ? durationMs : this.#meanMs + SMOOTHING * (durationMs - this.#meanMs);
  }

  #release(): void {
    this.#running--;
    const next = this.#takeNext();
    if (next === undefined) return;
    this.#running++;
    next.state = "turn";
    next.wake();
    this.#announcePositions();
  }

  /** Takes the newest job of the client with most in the queue out of it, if that client still has no fewer then. */
  #displaceFor(clientId: string): boolean {
    let longest: Waiter[] = [];
    for (const waiters of this.#waiting.values()) if (waiters.length > longest.length) longest = waiters;
    const newest = longest.at(-1);
    const own = this.#waiting.get(clientId)?.length ?? 0;
    if (newest === undefined || longest.length <= own + 1) return false;
    this.#remove(newest);
    newest.state = "displaced";
    newest.wake();
    return true;
  }

  #add(waiter: Waiter): void {
    const ofClient = this.#waiting.get(waiter.clientId);
    if (ofClient === undefined) this.#waiting.set(waiter.clientId, [waiter]);
    else ofClient.push(waiter);
    this.#waitingCount++;
  }

  #remove(waiter: Waiter): void {
    const ofClient = this.#waiting.get(waiter.clientId) ?? [];
    ofClient.splice(ofClient.indexOf(waiter), 1);
    if (ofClient.length === 0) this.#waiting.delete(waiter.clientId);
    this.#waitingCount--;
  }

  /** The first waiter of the client whose turn it is; that client then goes to the end of the round. */
  #takeNext(): Waiter | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const [clientId, waiters] = first;
    const waiter = waiters.shift();
    this.#waiting.delete(clientId);
    if (waiters.length > 0) this.#waiting.set(clientId, waiters);
    this.#waitingCount--;
    return waiter;
  }

  #announcePositions(): void {
    for (const [waiter, place] of this.#turns()) waiter.onPosition?.(this.#position(this.#running + place));
  }

  #positionOf(waiter: Waiter): QueuePosition {
    for (const [other, place] of this.#turns()) if (other === waiter) return this.#position(this.#running + place);
    return this.#position(this.#running);
  }

  /** Every waiter with the number of waiters before it, in the order of their turns. */
  *#turns(): Generator<[Waiter, number]> {
    let place = 0;
    for (let round = 0; place < this.#waitingCount; round++) {
      for (const waiters of this.#waiting.values()) {
        const waiter = waiters[round];
        if (waiter !== undefined) yield [waiter, place++];
      }
    }
  }

  #position(ahead: number): QueuePosition {
    return {
      ahead,
      estimatedSeconds:
        this.#meanMs === undefined ? undefined : Math.ceil((this.#meanMs * ahead) / this.#concurrency / 1000),
    };
  }

  #full(): KServeError {
    const { ahead, estimatedSeconds } = this.nextPosition();
    const about = estimatedSeconds === undefined ? "" : `, about ${estimatedSeconds} s`;
    return new KServeError("queue_full", `Cannot queue the job: ${ahead} jobs are ahead`, {
      publicMessage: `The image generator is busy: ${ahead} ahead${about}. Try again later`,
      details: { ahead, retry_after_seconds: Math.max(1, estimatedSeconds ?? 5) },
    });
  }

  #timedOut(): KServeError {
    const waited = Math.round(this.#timeoutMs / 1000);
    const { estimatedSeconds } = this.nextPosition();
    return new KServeError("queue_timeout", `Job waited ${waited} s without a turn`, {
      publicMessage: `The image generator stayed busy for ${waited} s. Try again later`,
      details: { waited_seconds: waited, retry_after_seconds: Math.max(1, estimatedSeconds ?? 5) },
    });
  }
}

function cancelled(signal: AbortSignal | undefined): MCPImageError {
  return new MCPImageError("cancelled", "Job was cancelled while it waited", { cause: signal?.reason });
}

async function aborted(signal: AbortSignal, done: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true, signal: done });
  done.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}
