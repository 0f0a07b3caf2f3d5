import { constants, copyFile, link, lstat, open, rename, unlink } from "node:fs/promises";
import { isErrno } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";

const TEMPORARY_NAME = /^\.mcp-image-[0-9a-f]{24}\.tmp$/;

/** What a file system without hard links answers. */
export const NO_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"] as const;
/** What a platform answers that cannot flush a folder (Windows, some network and FUSE file systems). */
const NO_FOLDER_SYNC = ["EPERM", "EISDIR", "EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"] as const;

/** A fresh name that listings ignore and that only a sweep of leftovers knows. */
export function createTemporaryName(): string {
  return `.mcp-image-${Buffer.from(systemRandom.bytes(12)).toString("hex")}.tmp`;
}

export function isTemporaryName(name: string): boolean {
  return TEMPORARY_NAME.test(name);
}

/** Writes a new file whose content survives a power cut once its name does. @throws on an existing file */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await handle.writeFile(bytes);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/**
 * Gives a finished temporary file its final name, unless that is taken. The name appears with the whole content.
 * False when the name was taken.
 */
export async function publishFile(temporaryPath: string, path: string): Promise<boolean> {
  try {
    await link(temporaryPath, path);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    if (!isErrno(error, ...NO_LINKS)) throw error;
    return renameUnlessTaken(temporaryPath, path);
  }
}

/**
 * As `publishFile`, for a file that claims an id and need not appear whole: exclusive even on a file system
 * without hard links.
 */
export async function claimFile(temporaryPath: string, path: string): Promise<boolean> {
  try {
    await link(temporaryPath, path);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    if (!isErrno(error, ...NO_LINKS)) throw error;
    return copyUnlessTaken(temporaryPath, path);
  }
}

/** Makes the names in a folder survive a power cut, where the platform can. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!isErrno(error, ...NO_FOLDER_SYNC)) throw error;
  }
}

/** Removes a file; false when there was none. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** Not atomic: whoever calls it holds the claim of `claimFile`. */
async function renameUnlessTaken(temporaryPath: string, path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  await rename(temporaryPath, path);
  return true;
}

async function copyUnlessTaken(temporaryPath: string, path: string): Promise<boolean> {
  try {
    await copyFile(temporaryPath, path, constants.COPYFILE_EXCL);
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
  try {
    await syncFile(path);
  } catch (error) {
    await removeFile(path).catch(() => false); // or the id would stay taken
    throw error;
  }
  return true;
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}
