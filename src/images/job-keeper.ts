import type { Clock } from "../core/clock.ts";
import { ERROR_TABLE, MCPImageError, toPublicError, type PublicError } from "../core/errors.ts";
import type { ImageId } from "../core/image-id.ts";
import type { JsonObject } from "../core/json.ts";
import { getLogger } from "../logging/logger.ts";
import { OWNER_KEY, ownerOf } from "./owner.ts";
import type { JobRecord, JobRecords } from "../storage/job-records.ts";

export interface JobKeeperOptions {
  readonly records: JobRecords;
  readonly clock: Clock;
}

/** A job that others know of. */
export interface AnnouncedJob {
  readonly imageId: ImageId;
  /** What is known of the picture now. */
  readonly describe: () => JsonObject;
  /** Ends the job, as another process asked for. */
  readonly cancel: () => void;
}

/** What another process, or an earlier one, left about a picture that is not there. */
export type KnownJob =
  | { readonly status: "running"; readonly metadata: JsonObject; readonly owner: string | undefined }
  | {
      readonly status: "failed";
      readonly error: MCPImageError;
      readonly endedAtMs: number;
      readonly owner: string | undefined;
    };

const REFRESH_MS = 10_000;
/** Three refreshes may fail before others think that the process has ended. */
const ALIVE_MS = 35_000;
/** Longer than any job may take: each of its two waits ends within a day. */
const KEPT_MS = 3 * 86_400_000;
const SWEEP_INTERVAL_MS = 600_000;

const logger = getLogger("images");

/**
 * Makes the ids of jobs known to every process of the store, from the moment in which somebody is told an id whose
 * picture is not there yet. A job that others do not know of costs nothing here.
 */
export class JobKeeper {
  readonly #records: JobRecords;
  readonly #clock: Clock;
  readonly #announced = new Map<ImageId, { readonly ended: AbortController; readonly refreshing: Promise<void> }>();
  #sweepAtMs = -Infinity;
  #sweeping: Promise<void> = Promise.resolve();

  constructor(options: JobKeeperOptions) {
    this.#records = options.records;
    this.#clock = options.clock;
  }

  /** Resolves when every process knows the job. A store that fails is logged: this process still knows it. */
  async announce(job: AnnouncedJob): Promise<void> {
    if (this.#announced.has(job.imageId)) return;
    const ended = new AbortController();
    const first = this.#write(job);
    this.#announced.set(job.imageId, { ended, refreshing: first.then(async () => this.#refresh(job, ended.signal)) });
    this.#sweep();
    await first;
  }

  /** Ends the record of a job: with the reason when it failed, without a trace when its picture is there. */
  async end(imageId: ImageId, error?: MCPImageError, owner?: string): Promise<void> {
    const announced = this.#announced.get(imageId);
    if (announced === undefined) return;
    announced.ended.abort();
    await announced.refreshing;
    try {
      if (error === undefined) await this.#records.deleteJob(imageId);
      else {
        const state = { status: "failed", error: toPublicError(error), endedAtMs: this.#clock.nowMs() } as const;
        await this.#records.writeJob({ imageId, state, metadata: owner === undefined ? {} : { [OWNER_KEY]: owner } });
      }
    } catch (failure) {
      logger.warn("job_record_not_written", { image_id: imageId, error: failure });
    }
    this.#announced.delete(imageId);
  }

  /** What is known of a job of any process; `undefined` when nothing is. @throws {StorageError} */
  async find(imageId: ImageId, signal?: AbortSignal): Promise<KnownJob | undefined> {
    const record = await this.#records.readJob(imageId, { ...(signal && { signal }) });
    if (record === undefined) return undefined;
    const { state, metadata } = record;
    const owner = ownerOf(metadata);
    if (state.status === "failed") {
      return { status: "failed", error: toFailure(imageId, state.error), endedAtMs: state.endedAtMs, owner };
    }
    if (state.aliveUntilMs > this.#clock.nowMs()) return { status: "running", metadata, owner };
    const { publicMessage: message, retryable } = ERROR_TABLE.generation_interrupted;
    const error = toFailure(imageId, { error: "generation_interrupted", message, retryable });
    return { status: "failed", error, endedAtMs: state.aliveUntilMs, owner };
  }

  /** Asks the process that runs the job to end it; false when no process does. @throws {StorageError} */
  async requestCancel(imageId: ImageId): Promise<boolean> {
    const record = await this.#records.readJob(imageId);
    if (record === undefined) return false;
    if (record.state.status === "failed" || record.state.aliveUntilMs <= this.#clock.nowMs()) {
      await this.#records.deleteJob(imageId);
      return true;
    }
    await this.#records.writeJob({ ...record, state: { ...record.state, status: "cancelling" } });
    return true;
  }

  /** Waits for what is being written; the jobs themselves have ended before. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#announced.values(), async ({ refreshing }) => refreshing));
    await this.#sweeping;
  }

  async #refresh(job: AnnouncedJob, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.#clock.sleep(REFRESH_MS, ended).catch(() => undefined);
      if (ended.aborted) return;
      const record = await this.#read(job.imageId);
      if (record?.state.status === "cancelling") job.cancel();
      else await this.#write(job);
    }
  }

  async #read(imageId: ImageId): Promise<JobRecord | undefined> {
    return this.#records.readJob(imageId).catch((error: unknown) => {
      logger.warn("job_record_not_read", { image_id: imageId, error });
      return undefined;
    });
  }

  async #write({ imageId, describe }: AnnouncedJob): Promise<void> {
    const state = { status: "running", aliveUntilMs: this.#clock.nowMs() + ALIVE_MS } as const;
    await this.#records.writeJob({ imageId, state, metadata: describe() }).catch((error: unknown) => {
      logger.warn("job_record_not_written", { image_id: imageId, error });
    });
  }

  #sweep(): void {
    if (this.#clock.monotonicMs() < this.#sweepAtMs) return;
    this.#sweepAtMs = this.#clock.monotonicMs() + SWEEP_INTERVAL_MS;
    this.#sweeping = this.#records.deleteJobsBefore(this.#clock.nowMs() - KEPT_MS).then(
      (count) => logger.debug("job_records_deleted", { count }),
      (error: unknown) => logger.warn("job_records_not_deleted", { error }),
    );
  }
}

function toFailure(imageId: ImageId, { error: reason, message }: PublicError): MCPImageError {
  return new MCPImageError("generation_failed", `The job of image "${imageId}" failed: ${reason}`, {
    publicMessage: `The picture could not be drawn: ${message}`,
    details: { image_id: imageId, reason },
  });
}
