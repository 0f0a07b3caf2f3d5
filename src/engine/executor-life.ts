import type { GenerateMessage, WorkerMessage } from "./worker-messages.ts";

/** Why an executor ended. */
export interface ExecutorEnd {
  /** Goes on after "The engine's executor": `ended with code 3`. */
  readonly reason: string;
  readonly isOutOfMemory: boolean;
}

/** One life of a thread or process that holds the model: from its start to its end. */
export interface ExecutorLife {
  generate(message: GenerateMessage): void;
  /** Asks a job to end at its next step. */
  cancel(jobId: number): void;
  /** Ends it at once, whatever it does. */
  kill(): void;
  readonly ended: Promise<ExecutorEnd>;
}

export type StartExecutor = (onMessage: (message: WorkerMessage) => void) => ExecutorLife;
