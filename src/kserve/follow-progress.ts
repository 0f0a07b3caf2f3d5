import type { Clock } from "../core/clock.ts";
import { parseProgress } from "../wire/v1.ts";
import type { Answer } from "./exchange.ts";

export interface FollowProgressOptions {
  readonly ask: () => Promise<Answer>;
  readonly clock: Clock;
  readonly onStep: (step: number, totalSteps: number) => void;
  /** Aborted when the job has ended. */
  readonly signal: AbortSignal;
}

const INTERVAL_MS = 250;
/** A server that fails this often in a row is not asked again for this job. */
const MAX_FAILURES = 3;

/** Asks a server that tells how far a job is, again and again until the job has ended; never throws. */
export async function followProgress({ ask, clock, onStep, signal }: FollowProgressOptions): Promise<void> {
  let failures = 0;
  let lastStep = -1;
  while (failures < MAX_FAILURES) {
    await clock.sleep(INTERVAL_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    const answer = await ask().catch(() => undefined);
    if (signal.aborted) return;
    failures = answer?.status === 200 ? 0 : failures + 1;
    const progress = answer?.status === 200 ? parseProgress(answer.text) : undefined;
    if (progress === undefined || progress.step <= lastStep) continue;
    lastStep = progress.step;
    onStep(progress.step, progress.totalSteps);
  }
}
