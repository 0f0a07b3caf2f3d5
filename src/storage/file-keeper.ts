import { copyFile, constants, link, lstat, mkdir, rename, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { isErrno, StorageError } from "../core/errors.ts";
import { NO_LINKS, removeFile, syncFolder } from "./durable-file.ts";
import { toImagePath, type ImagePlace } from "./file-layout.ts";
import { checkFolders } from "./folder-checks.ts";

/** A cleaner may remove an empty folder under us; it does not do so again and again. */
const FOLDER_ATTEMPTS = 5;

/**
 * Moves a picture between what expires and what is kept; true when it then lies at `to`, false when it was in neither.
 * It appears there, and is flushed, before it leaves here: a crash in the middle leaves it in both, which reads as one,
 * and any process may finish the move. Its bytes are never copied where the file system has hard links.
 */
export async function moveImageFiles(from: ImagePlace, to: ImagePlace): Promise<boolean> {
  for (const format of from.formats) {
    const path = toImagePath(from, format);
    if (!(await isRegularFile(path)) || (await checkFolders(from)) !== "real") continue;
    await makeFolders(to, async () => {
      await placeRecord(from.recordPath, to.recordPath);
      await placeImage(path, toImagePath(to, format));
    });
    if (!(await isRegularFile(toImagePath(to, format)))) {
      if (await isRegularFile(path)) throw new Error("The folder of the picture vanishes again and again");
      await removeFile(to.recordPath); // somebody deleted the picture meanwhile
      continue;
    }
    await flush(to);
    await removeFile(path);
    await removeFile(from.recordPath);
    await syncFolder(from.folder).catch(ignoreMissing);
    return true;
  }
  return hasImage(to);
}

/** Removes the folders of a place where nothing is left in them; the root stays. */
export async function removeEmptyFolders({ folders }: ImagePlace): Promise<void> {
  for (const folder of folders.toReversed()) {
    try {
      await rmdir(folder);
    } catch (error) {
      if (isErrno(error, "ENOTEMPTY", "EEXIST", "ENOENT")) return;
      throw error;
    }
  }
}

export async function hasImage(place: ImagePlace): Promise<boolean> {
  for (const format of place.formats) {
    if ((await isRegularFile(toImagePath(place, format))) && (await checkFolders(place)) === "real") return true;
  }
  return false;
}

/** Whether a regular file is there: no link, no pipe. */
export async function isRegularFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

/** Runs `work` in the folders of the place, again when somebody removed one that was still empty. */
async function makeFolders(place: ImagePlace, work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; attempt <= FOLDER_ATTEMPTS; attempt++) {
    try {
      for (const folder of place.folders) await makeRealFolder(folder, place);
      await work();
    } catch (error) {
      ignoreMissing(error);
    }
    if ((await checkFolders(place)) === "real") return;
  }
}

/** Never makes anything behind a link. */
async function makeRealFolder(path: string, { id }: ImagePlace): Promise<void> {
  await makeFolder(path);
  if ((await lstat(path)).isDirectory()) return;
  throw new StorageError("storage_unavailable", `Cannot move image "${id}": a link stands in a folder's place`);
}

/** A second name for the same file; a file that is there already is the same one, left by a crash. */
async function placeImage(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (isErrno(error, "EEXIST", "ENOENT")) return;
    if (!isErrno(error, ...NO_LINKS)) throw error;
    await rename(from, to).catch(ignoreMissing);
  }
}

async function placeRecord(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (isErrno(error, "EEXIST", "ENOENT")) return; // a picture is served without its record, too
    if (!isErrno(error, ...NO_LINKS)) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL).catch((failure: unknown) => {
      if (!isErrno(failure, "EEXIST", "ENOENT")) throw failure;
    });
  }
}

async function flush(place: ImagePlace): Promise<void> {
  await syncFolder(place.folder);
  for (const folder of place.folders.toReversed()) await syncFolder(dirname(folder));
}

function ignoreMissing(error: unknown): void {
  if (!isErrno(error, "ENOENT")) throw error;
}
