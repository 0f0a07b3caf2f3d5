import { StorageError } from "../core/errors.ts";
import type { Logger } from "../logging/logger.ts";

/** Differences up to this are usual and harmless. */
const TOLERATED_SKEW_MS = 5000;

/**
 * Compares this machine's clock with that of the storage before anything is deleted by age: one replica whose clock
 * is ahead would delete everybody's pictures.
 *
 * @throws {StorageError} `storage_delete_failed` when they differ by more than half the TTL
 */
export function assertClocksAgree(machineMs: number, storageMs: number, ttlSeconds: number, logger: Logger): void {
  const skewMs = Math.round(machineMs - storageMs);
  if (Math.abs(skewMs) <= TOLERATED_SKEW_MS) return;
  logger.warn("storage_clock_differs", { skew_ms: skewMs });
  if (Math.abs(skewMs) <= (ttlSeconds * 1000) / 2) return;
  const message = `Cannot delete expired images: this machine's clock differs by ${skewMs} ms from the storage's`;
  throw new StorageError("storage_delete_failed", message);
}
