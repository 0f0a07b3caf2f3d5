import { ERROR_TABLE, type PublicError } from "../core/errors.ts";
import { parseImageId, type ImageId } from "../core/image-id.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import type { OperationOptions } from "./abstract-storage.ts";
import { parseJsonObject } from "./image-record.ts";

/** Where a job is whose picture is not there yet, or never will be. */
export type JobState =
  /** Its process says so again and again; when the time is over and it did not, the process has ended. */
  | { readonly status: "running"; readonly aliveUntilMs: number }
  /** Somebody, perhaps another process, does not want the picture any more. */
  | { readonly status: "cancelling"; readonly aliveUntilMs: number }
  | { readonly status: "failed"; readonly error: PublicError; readonly endedAtMs: number };

/** What every process of a store knows of a job. */
export interface JobRecord {
  readonly imageId: ImageId;
  readonly state: JobState;
  /** What is known of the picture so far, as it leaves the process. */
  readonly metadata: JsonObject;
}

/**
 * Small records of jobs, beside the pictures, so that the id of a picture means the same to every process while it is
 * being drawn. A record that does not read back is none. Every driver passes `testJobRecords()`.
 */
export interface JobRecords extends AsyncDisposable {
  readJob(imageId: ImageId, options?: OperationOptions): Promise<JobRecord | undefined>;
  /** True when it is known without waiting that there is no record; false says nothing. */
  isAbsent(imageId: ImageId): boolean;
  /** Whole or not at all; replaces what was there. @throws {StorageError} `storage_write_failed` and the like */
  writeJob(record: JobRecord, options?: OperationOptions): Promise<void>;
  deleteJob(imageId: ImageId, options?: OperationOptions): Promise<void>;
  /** Deletes the records of jobs that began before this time, at most 1,000, and gives how many. */
  deleteJobsBefore(timeMs: number, options?: OperationOptions): Promise<number>;
  /** Waits for work in flight; safe to call twice. */
  close(): Promise<void>;
}

/** The most records that one sweep deletes. */
export const MAX_SWEPT_JOBS = 1000;

export function toJobText({ imageId, state, metadata }: JobRecord): string {
  const document =
    state.status === "failed"
      ? { status: state.status, error: state.error, ended_at: new Date(state.endedAtMs).toISOString() }
      : { status: state.status, alive_until: new Date(state.aliveUntilMs).toISOString() };
  return JSON.stringify({ image_id: imageId, ...document, metadata });
}

/** The record in this JSON; `undefined` unless it is whole and of this image. */
export function parseJobText(text: string, imageId: ImageId): JobRecord | undefined {
  const document = parseJsonObject(text);
  if (document === undefined || document["image_id"] !== imageId) return undefined;
  const { metadata } = document;
  const state = parseState(document, imageId);
  return state && isJsonObject(metadata) ? { imageId, state, metadata } : undefined;
}

/** The image of a record's file or object, when it began before this time. */
export function parseJobName(name: string, beforeMs: number): ImageId | undefined {
  if (!name.endsWith(JOB_EXTENSION)) return undefined;
  const parsed = parseImageId(name.slice(0, -JOB_EXTENSION.length));
  return parsed?.kind === "current" && parsed.createdAtMs < beforeMs ? parsed.id : undefined;
}

export const JOB_EXTENSION = ".json";

function parseState(
  { status, alive_until: aliveUntil, ended_at: endedAt, error }: JsonObject,
  imageId: ImageId,
): JobState | undefined {
  if (status === "failed") {
    const parsed = parseImageId(imageId);
    const createdAtMs = parsed?.kind === "current" ? parsed.createdAtMs : 0;
    // Records of earlier versions do not say when.
    return isPublicError(error) ? { status, error, endedAtMs: toTimeMs(endedAt) ?? createdAtMs } : undefined;
  }
  if (status !== "running" && status !== "cancelling") return undefined;
  const aliveUntilMs = toTimeMs(aliveUntil);
  return aliveUntilMs === undefined ? undefined : { status, aliveUntilMs };
}

function toTimeMs(value: unknown): number | undefined {
  const timeMs = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

function isPublicError(value: unknown): value is PublicError {
  return (
    isJsonObject(value) &&
    typeof value["error"] === "string" &&
    Object.hasOwn(ERROR_TABLE, value["error"]) &&
    typeof value["message"] === "string" &&
    typeof value["retryable"] === "boolean"
  );
}
