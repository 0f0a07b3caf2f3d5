import { isErrno, MCPImageError, StorageError, type ErrorCode } from "../core/errors.ts";

/** The codes that say which operation failed when the reason has no code of its own. */
export type FailedOperation = Extract<
  ErrorCode,
  "storage_write_failed" | "storage_read_failed" | "storage_delete_failed" | "storage_list_failed"
>;

/** A full volume, or a user's or project's share of it. */
const FULL = ["ENOSPC", "EDQUOT"] as const;
/** The folder is gone, is no folder, or may not be used; ESTALE is a network file system that lost it. */
const UNAVAILABLE = ["EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR", "ESTALE"] as const;

/** The error of a file operation as one of ours; the reason of an abort stays what it is. */
export function toFileStorageError(
  error: unknown,
  operation: FailedOperation,
  message: string,
  signal: AbortSignal | undefined,
): unknown {
  if (error instanceof MCPImageError || (signal?.aborted === true && error === signal.reason)) return error;
  if (isErrno(error, ...FULL))
    return new StorageError("storage_full", `${message}: the disk is full`, { cause: error });
  if (isErrno(error, ...UNAVAILABLE)) {
    const state = `the storage folder cannot be used (${error.code})`;
    return new StorageError("storage_unavailable", `${message}: ${state}`, { cause: error });
  }
  return new StorageError(operation, message, { cause: error });
}
