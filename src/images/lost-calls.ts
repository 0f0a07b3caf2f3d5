import { hash } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";

interface LostCall<Job> {
  readonly key: string;
  readonly job: Job;
  /** On the monotonic clock; never while the job goes on. */
  expiresAtMs: number;
}

/** How long a client may take to come back, after the loss or the end of the job, whichever is later. */
const KEPT_MS = 60_000;
/** Far more than any queue holds; beyond it the oldest is forgotten. */
const MAX_CALLS = 1000;

/**
 * The jobs whose callers were cut off before they had their answer, so that a client that asks again does not pay
 * twice. Each is handed out once: of two equal calls that come again, each gets a picture of its own.
 */
export class LostCalls<Job extends { readonly result: Promise<unknown> }> {
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #calls = new Set<LostCall<Job>>();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Keeps a job for its caller's return; one that fails is forgotten. */
  add(key: string, job: Job): void {
    const call = { key, job, expiresAtMs: Infinity };
    this.#calls.add(call);
    for (const oldest of this.#calls) {
      if (this.#calls.size <= MAX_CALLS) break;
      this.#calls.delete(oldest);
    }
    job.result.then(
      () => {
        call.expiresAtMs = this.#clock.monotonicMs() + KEPT_MS;
      },
      () => this.#calls.delete(call),
    );
  }

  /** The oldest job that was lost under this key, which is then no longer kept. */
  take(key: string): Job | undefined {
    const nowMs = this.#clock.monotonicMs();
    for (const call of this.#calls) {
      if (call.expiresAtMs > nowMs && call.key !== key) continue;
      this.#calls.delete(call);
      if (call.expiresAtMs > nowMs) return call.job;
    }
    return undefined;
  }
}

/** Equal for equal calls of one client. */
export function toCallKey(clientId: string, request: GenerateImageRequest): string {
  const { prompt, negativePrompt, width, height, numInferenceSteps, guidanceScale, seed } = request;
  const call = [clientId, prompt, negativePrompt, width, height, numInferenceSteps, guidanceScale, seed];
  return hash("sha256", JSON.stringify(call));
}
