import type { MCPImageError } from "../core/errors.ts";
import type { ImageId } from "../core/image-id.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";
import { getLogger } from "../logging/logger.ts";
import type { ImageProgress } from "./image-job.ts";

/** Where a job is; `accepted` until the queue has spoken. */
export type JobProgress = { readonly phase: "accepted" } | ImageProgress;

/** A job that this process runs or keeps waiting. */
export interface RunningJob {
  readonly imageId: ImageId;
  readonly request: GenerateImageRequest;
  readonly startedAtMs: number;
  /** Whose the picture will be; `undefined` when nobody had to say who they were. */
  readonly owner: string | undefined;
  readonly progress: JobProgress;
}

export type JobEvent =
  | { readonly kind: "started" | "progressed" | "succeeded"; readonly job: RunningJob }
  | { readonly kind: "failed"; readonly job: RunningJob; readonly error: MCPImageError };

export type JobListener = (event: JobEvent) => void;

const logger = getLogger("images");

/** The jobs of this process and where each is, for whoever wants to watch. No more than the queue holds. */
export class JobBoard {
  /** The oldest first. */
  readonly #jobs = new Map<ImageId, RunningJob>();
  readonly #listeners = new Set<{ readonly tell: JobListener }>();

  /** Every job that has not ended, the oldest first. */
  list(): readonly RunningJob[] {
    return [...this.#jobs.values()];
  }

  get(imageId: ImageId): RunningJob | undefined {
    return this.#jobs.get(imageId);
  }

  /** Tells the listener what happens from now on; the function that comes back ends that. */
  subscribe(listener: JobListener): () => void {
    const entry = { tell: listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  start(order: Omit<RunningJob, "progress">): void {
    const job: RunningJob = { ...order, progress: { phase: "accepted" } };
    this.#jobs.set(order.imageId, job);
    this.#tell({ kind: "started", job });
  }

  report(imageId: ImageId, progress: ImageProgress): void {
    const known = this.#jobs.get(imageId);
    if (known === undefined) return;
    const job = { ...known, progress };
    this.#jobs.set(imageId, job);
    this.#tell({ kind: "progressed", job });
  }

  /** Takes the job off the board; `error` tells why there is no picture. */
  end(imageId: ImageId, error?: MCPImageError): void {
    const job = this.#jobs.get(imageId);
    if (job === undefined) return;
    this.#jobs.delete(imageId);
    this.#tell(error === undefined ? { kind: "succeeded", job } : { kind: "failed", job, error });
  }

  #tell(event: JobEvent): void {
    for (const { tell } of this.#listeners) {
      try {
        tell(event);
      } catch (error) {
        logger.error("job_listener_failed", { error });
      }
    }
  }
}
