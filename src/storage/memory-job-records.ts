import type { ImageId } from "../core/image-id.ts";
import type { OperationOptions } from "./abstract-storage.ts";
import { parseJobName, JOB_EXTENSION, MAX_SWEPT_JOBS, type JobRecord, type JobRecords } from "./job-records.ts";

/** Keeps the records of jobs in this process alone: for a store of one process, and for tests. */
export class MemoryJobRecords implements JobRecords {
  readonly #records = new Map<ImageId, JobRecord>();

  async readJob(imageId: ImageId, { signal }: OperationOptions = {}): Promise<JobRecord | undefined> {
    signal?.throwIfAborted();
    return this.#records.get(imageId);
  }

  isAbsent(imageId: ImageId): boolean {
    return !this.#records.has(imageId);
  }

  async writeJob(record: JobRecord, { signal }: OperationOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#records.set(record.imageId, structuredClone(record));
  }

  async deleteJob(imageId: ImageId, { signal }: OperationOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#records.delete(imageId);
  }

  async deleteJobsBefore(timeMs: number, { signal }: OperationOptions = {}): Promise<number> {
    signal?.throwIfAborted();
    const old = [...this.#records.keys()].filter((id) => parseJobName(`${id}${JOB_EXTENSION}`, timeMs) !== undefined);
    for (const id of old.slice(0, MAX_SWEPT_JOBS)) this.#records.delete(id);
    return Math.min(old.length, MAX_SWEPT_JOBS);
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
