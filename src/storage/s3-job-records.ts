import type { ImageId } from "../core/image-id.ts";
import { getLogger } from "../logging/logger.ts";
import type { OperationOptions } from "./abstract-storage.ts";
import {
  JOB_EXTENSION,
  MAX_SWEPT_JOBS,
  parseJobName,
  parseJobText,
  toJobText,
  type JobRecord,
  type JobRecords,
} from "./job-records.ts";
import { S3Bucket } from "./s3-bucket.ts";
import { toCredentials } from "./s3-credentials.ts";
import type { S3StorageOptions } from "./s3-storage.ts";

export type S3JobRecordsOptions = Omit<S3StorageOptions, "baseUrl" | "clock">;

/** Behind every key of a picture, so that listings of those never come across it. */
const FOLDER = "~jobs/";
const DEFAULT_TIMEOUT_SECONDS = 30;

/** Keeps each job's record as a small object in the bucket of the pictures, for every process that uses it. */
export class S3JobRecords implements JobRecords {
  readonly #bucket: S3Bucket;
  readonly #prefix: string;

  constructor(options: S3JobRecordsOptions) {
    const timeoutMs = (options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1000;
    this.#prefix = `${options.prefix ?? ""}${FOLDER}`;
    this.#bucket = new S3Bucket({
      bucket: options.bucket,
      endpointUrl: options.endpointUrl,
      regionName: options.regionName ?? "us-east-1",
      credentials: toCredentials(options),
      timeoutMs,
      attemptTimeoutMs: timeoutMs / 2,
      logger: getLogger("storage"),
      onStorageDate: () => undefined,
    });
  }

  async readJob(imageId: ImageId, { signal }: OperationOptions = {}): Promise<JobRecord | undefined> {
    const message = `Cannot read the job of image "${imageId}"`;
    const object = await this.#bucket.get(this.#toKey(imageId), { operation: "storage_read_failed", message, signal });
    return object && parseJobText(object.bytes.toString("utf8"), imageId);
  }

  isAbsent(): boolean {
    return false;
  }

  async writeJob(record: JobRecord, { signal }: OperationOptions = {}): Promise<void> {
    const message = `Cannot write the job of image "${record.imageId}"`;
    await this.#bucket.put(
      this.#toKey(record.imageId),
      Buffer.from(toJobText(record)),
      { contentType: "application/json" },
      { operation: "storage_write_failed", message, signal },
    );
  }

  async deleteJob(imageId: ImageId, { signal }: OperationOptions = {}): Promise<void> {
    const message = `Cannot delete the job of image "${imageId}"`;
    await this.#bucket.delete(this.#toKey(imageId), { operation: "storage_delete_failed", message, signal });
  }

  async deleteJobsBefore(timeMs: number, { signal }: OperationOptions = {}): Promise<number> {
    const call = { operation: "storage_list_failed", message: "Cannot delete old jobs", signal } as const;
    // Ascending by id, and so by time: the old ones come first.
    const { keys } = await this.#bucket.list({ prefix: this.#prefix, limit: MAX_SWEPT_JOBS }, call);
    const old = keys.filter((key) => parseJobName(key.slice(this.#prefix.length), timeMs) !== undefined);
    if (old.length === 0) return 0;
    const failed = await this.#bucket.deleteAll(old, call);
    return old.length - failed.size;
  }

  async close(): Promise<void> {
    await this.#bucket.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #toKey(imageId: ImageId): string {
    return `${this.#prefix}${imageId}${JOB_EXTENSION}`;
  }
}
