import { opendir, readFile, rename } from "node:fs/promises";
import { join, resolve } from "node:path";
import { isErrno } from "../core/errors.ts";
import type { ImageId } from "../core/image-id.ts";
import type { OperationOptions } from "./abstract-storage.ts";
import { createTemporaryName, removeFile, syncFolder, writeNewFile } from "./durable-file.ts";
import { FileOperations } from "./file-operations.ts";
import {
  JOB_EXTENSION,
  MAX_SWEPT_JOBS,
  parseJobName,
  parseJobText,
  toJobText,
  type JobRecord,
  type JobRecords,
} from "./job-records.ts";
import { makeFolder } from "./make-folder.ts";
import { chooseLookUp, lookAtOnce, type LookUp } from "./open-file.ts";

export interface FileJobRecordsOptions {
  /** The folder of the pictures; the records lie in its folder `jobs`. */
  readonly basePath: string;
}

const FOLDER = "jobs";

/** Keeps each job's record as a file below the folder of the pictures, for every process that shares it. */
export class FileJobRecords implements JobRecords {
  readonly #root: string;
  readonly #folder: string;
  #lookUp: LookUp | undefined;
  readonly #operations = new FileOperations();

  constructor(options: FileJobRecordsOptions) {
    this.#root = resolve(options.basePath);
    this.#folder = join(this.#root, FOLDER);
  }

  async readJob(imageId: ImageId, { signal }: OperationOptions = {}): Promise<JobRecord | undefined> {
    return this.#operations.run(
      "storage_read_failed",
      `Cannot read the job of image "${imageId}"`,
      signal,
      async () => {
        const text = await orUndefined(readFile(this.#toPath(imageId), "utf8"));
        return text === undefined ? undefined : parseJobText(text, imageId);
      },
    );
  }

  isAbsent(imageId: ImageId): boolean {
    if (this.#lookUp === undefined) {
      this.#lookUp = "by_thread";
      const chosen = chooseLookUp(this.#root).then((lookUp) => (this.#lookUp = lookUp));
      chosen.catch(() => undefined);
    }
    try {
      return this.#lookUp === "at_once" && lookAtOnce(this.#toPath(imageId)) === undefined;
    } catch {
      return false;
    }
  }

  async writeJob(record: JobRecord, { signal }: OperationOptions = {}): Promise<void> {
    const { imageId } = record;
    await this.#operations.run(
      "storage_write_failed",
      `Cannot write the job of image "${imageId}"`,
      signal,
      async () => {
        await makeFolder(this.#folder);
        const temporaryPath = join(this.#folder, createTemporaryName());
        try {
          await writeNewFile(temporaryPath, Buffer.from(toJobText(record)));
          await rename(temporaryPath, this.#toPath(imageId));
        } catch (error) {
          await removeFile(temporaryPath).catch(() => undefined);
          throw error;
        }
        await syncFolder(this.#folder);
      },
    );
  }

  async deleteJob(imageId: ImageId, { signal }: OperationOptions = {}): Promise<void> {
    const message = `Cannot delete the job of image "${imageId}"`;
    await this.#operations.run("storage_delete_failed", message, signal, async () => removeFile(this.#toPath(imageId)));
  }

  async deleteJobsBefore(timeMs: number, { signal }: OperationOptions = {}): Promise<number> {
    return this.#operations.run("storage_list_failed", "Cannot delete old jobs", signal, async () => {
      const folder = await orUndefined(opendir(this.#folder));
      if (folder === undefined) return 0;
      let count = 0;
      for await (const entry of folder) {
        if (count === MAX_SWEPT_JOBS || signal?.aborted) break;
        const imageId = parseJobName(entry.name, timeMs);
        if (imageId !== undefined && (await removeFile(this.#toPath(imageId)))) count += 1;
      }
      return count;
    });
  }

  async close(): Promise<void> {
    await this.#operations.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #toPath(imageId: ImageId): string {
    return join(this.#folder, `${imageId}${JOB_EXTENSION}`);
  }
}

async function orUndefined<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
