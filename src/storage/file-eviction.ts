import { lstat, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "../core/errors.ts";
import { removeFile } from "./durable-file.ts";
import { readFiles, readRoot, readSlots } from "./file-folders.ts";
import type { Evicted } from "./storage-quota.ts";

/**
 * Deletes the oldest pictures that are not kept until so many bytes are free, and tells what it deleted itself.
 * Files of the flat layout stay: they expire, and nothing new joins them.
 */
export async function evictOldestFiles(
  root: string,
  wantedBytes: number,
  signal: AbortSignal | undefined,
): Promise<Evicted> {
  let [deleted, freedBytes] = [0, 0];
  const { days } = await readRoot(root);
  for (const day of days) {
    for (const slot of await readSlots(day)) {
      const { images } = await readFiles(slot);
      for (const { name, image } of images.toSorted((one, other) => (one.image.id < other.image.id ? -1 : 1))) {
        signal?.throwIfAborted();
        if (freedBytes >= wantedBytes) return { images: deleted, bytes: freedBytes };
        const freed = await evictFile(join(slot.path, name), join(slot.path, `${image.id}.json`));
        if (freed === undefined) continue;
        deleted++;
        freedBytes += freed;
      }
      await removeEmptyFolder(slot.path);
    }
    await removeEmptyFolder(day.path);
  }
  return { images: deleted, bytes: freedBytes };
}

/** Gives the bytes that became free; `undefined` when another was faster. */
async function evictFile(imagePath: string, recordPath: string): Promise<number | undefined> {
  const sizes = await Promise.all([imagePath, recordPath].map(readSize));
  if (!(await removeFile(imagePath))) return undefined;
  await removeFile(recordPath);
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function readSize(path: string): Promise<number> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return 0;
    throw error;
  }
}

async function removeEmptyFolder(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTEMPTY", "EEXIST")) throw error;
  }
}
