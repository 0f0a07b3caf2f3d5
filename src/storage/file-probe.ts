import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { StorageError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { createTemporaryName, removeFile, writeNewFile } from "./durable-file.ts";

/**
 * Writes, reads and deletes a small file, and gives the time that the file system wrote on it.
 *
 * @throws {StorageError} `storage_read_failed` when other bytes come back; system errors
 */
export async function probeFolder(root: string): Promise<number> {
  const path = join(root, createTemporaryName());
  const bytes = Buffer.from(systemRandom.bytes(64));
  try {
    await writeNewFile(path, bytes);
    const { mtimeMs } = await lstat(path);
    if (bytes.equals(await readFile(path))) return mtimeMs;
    throw new StorageError("storage_read_failed", "Cannot read back what was just written to the storage folder");
  } finally {
    await removeFile(path).catch(() => false);
  }
}
