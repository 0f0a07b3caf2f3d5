import { systemClock, type Clock } from "../core/clock.ts";
import type { ImageProgress } from "../images/image-job.ts";
import { getLogger } from "../logging/logger.ts";

/** One `notifications/progress`, without its token. */
export interface ProgressMessage {
  /** Strictly increasing, on the way to `total`. */
  readonly progress: number;
  readonly total: number;
  readonly message: string;
}

export interface ProgressReporterOptions {
  readonly send: (message: ProgressMessage) => Promise<void>;
  readonly clock?: Clock;
}

const TOTAL = 100;
const HEARTBEAT_MS = 8_000;
/** Within a phase, news that comes faster than this is kept for the next message. */
const MIN_INTERVAL_MS = 250;
/** Enough to be larger than the last number, however often it is added. */
const SMALLEST_STEP = 1e-6;

/** Where each phase begins and ends on the way to 100. */
const RANGES: Readonly<Record<ImageProgress["phase"] | "accepted", readonly [from: number, to: number]>> = {
  accepted: [0, 1],
  queued: [1, 10],
  waking: [10, 15],
  retrying: [10, 15],
  generating: [15, 95],
  saving: [95, 99],
};

const logger = getLogger("mcp");

/** Tells a waiting client how its picture is coming on: at once, at every change, and at least every 10 s. */
export class ProgressReporter {
  readonly #send: (message: ProgressMessage) => Promise<void>;
  readonly #clock: Clock;
  readonly #stopped = new AbortController();
  #state: ImageProgress | { readonly phase: "accepted" } = { phase: "accepted" };
  #phaseStartedAtMs = 0;
  #lastSentAtMs = 0;
  #progress = -1;
  #sending: Promise<void> = Promise.resolve();
  #heartbeat: Promise<void> = Promise.resolve();

  constructor(options: ProgressReporterOptions) {
    this.#send = options.send;
    this.#clock = options.clock ?? systemClock;
  }

  /** Sends the first message and begins the heartbeat. */
  start(): void {
    this.#phaseStartedAtMs = this.#clock.monotonicMs();
    this.#tell();
    this.#heartbeat = this.#beat();
  }

  readonly report = (news: ImageProgress): void => {
    if (this.#stopped.signal.aborted) return;
    const nowMs = this.#clock.monotonicMs();
    const isNewPhase = news.phase !== this.#state.phase;
    this.#state = news;
    if (isNewPhase) this.#phaseStartedAtMs = nowMs;
    if (isNewPhase || nowMs - this.#lastSentAtMs >= MIN_INTERVAL_MS) this.#tell();
  };

  /** Ends the heartbeat and resolves when every message was handed over; nothing is sent after it. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#heartbeat;
    await this.#sending;
  }

  async #beat(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const quietMs = this.#clock.monotonicMs() - this.#lastSentAtMs;
      await this.#clock.sleep(HEARTBEAT_MS - quietMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      if (this.#clock.monotonicMs() - this.#lastSentAtMs >= HEARTBEAT_MS) this.#tell();
    }
  }

  #tell(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#lastSentAtMs = nowMs;
    this.#progress = nextProgress(this.#state, this.#progress);
    const elapsedSeconds = Math.round((nowMs - this.#phaseStartedAtMs) / 1000);
    const message = { progress: this.#progress, total: TOTAL, message: describeProgress(this.#state, elapsedSeconds) };
    this.#sending = this.#sending
      .then(async () => this.#send(message))
      .catch((error: unknown) => {
        logger.debug("progress_not_sent", { error });
      });
  }
}

/** The share of the way, or else a step that grows smaller towards the end of the phase; always more than before. */
function nextProgress(state: ImageProgress | { readonly phase: "accepted" }, last: number): number {
  const [from, to] = RANGES[state.phase];
  const reached = Math.max(from, from + (to - from) * (shareOf(state) ?? 0));
  if (reached > last) return reached;
  return last + Math.max((to - last) / 20, SMALLEST_STEP);
}

function shareOf(state: ImageProgress | { readonly phase: "accepted" }): number | undefined {
  if (state.phase !== "generating" || state.step === undefined || !state.totalSteps) return undefined;
  return Math.min(1, state.step / state.totalSteps);
}

/** In words for a person. `elapsedSeconds` of the phase, where they are known. */
export function describeProgress(
  state: ImageProgress | { readonly phase: "accepted" } = { phase: "accepted" },
  elapsedSeconds?: number,
): string {
  switch (state.phase) {
    case "accepted":
      return "Accepted";
    case "queued": {
      const about = state.estimatedSeconds === undefined ? "" : `, about ${state.estimatedSeconds} s`;
      return `Waiting: ${state.ahead} ahead${about}`;
    }
    case "waking":
      return `Waking the model${elapsedSeconds ? `: ${elapsedSeconds} s` : ""}`;
    case "retrying":
      return `The model server is not ready: attempt ${state.attempt + 1} in ${Math.ceil(state.delayMs / 1000)} s`;
    case "generating":
      return state.step !== undefined && state.totalSteps
        ? `Drawing: step ${state.step} of ${state.totalSteps}`
        : `Drawing${elapsedSeconds === undefined ? "" : `: ${elapsedSeconds} s`}`;
    case "saving":
      return "Saving the picture";
  }
}
