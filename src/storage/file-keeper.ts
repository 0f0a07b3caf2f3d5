import { copyFile, constants, link, lstat, mkdir, rename, rmdir, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { isErrno, StorageError } from "../core/errors.ts";
import { NO_LINKS, removeFile, syncFolder } from "./durable-file.ts";
import { toImagePath, type ImagePlace } from "./file-layout.ts";
import { checkFolders } from "./folder-checks.ts";

/** A cleaner may remove an empty folder under us; it does not do so again and again. */
const FOLDER_ATTEMPTS = 5;
/** Others may move the picture back and forth. */
const MOVE_ATTEMPTS = 10;

/**
 * Moves a picture between what expires and what is kept; true when it then lies at `to`, false when it was in neither.
 * The picture changes its name in one step, so that of several processes that move it to and fro none can lose it; its
 * record is there before it and gone here after it. Any process may finish what a crash left in the middle.
 */
export async function moveImageFiles(from: ImagePlace, to: ImagePlace): Promise<boolean> {
  for (let attempt = 1; attempt <= MOVE_ATTEMPTS; attempt++) {
    if ((await moveOnce(from, to)) || (await hasImage(to))) return true;
    if (!(await hasImage(from))) return hasImage(to); // once more: it may have come between the two looks
  }
  throw new Error("Other processes move the picture again and again");
}

async function moveOnce(from: ImagePlace, to: ImagePlace): Promise<boolean> {
  for (const format of from.formats) {
    const path = toImagePath(from, format);
    if (!(await isRegularFile(path)) || (await checkFolders(from)) !== "real") continue;
    let isMoved = false;
    await makeFolders(to, async () => {
      await placeRecord(from.recordPath, to.recordPath);
      isMoved = await moveFile(path, toImagePath(to, format));
    });
    if (!isMoved) {
      if (await isRegularFile(path)) throw new Error("The folder of the picture vanishes again and again");
      if (await hasImage(to)) return true; // another process was faster
      if (!(await hasImage(from))) await removeFile(to.recordPath); // somebody deleted the picture meanwhile
      continue;
    }
    await flush(to);
    // Unless another process has moved it back meanwhile, and needs its record here.
    if (await isRegularFile(toImagePath(to, format))) await removeFile(from.recordPath);
    await syncFolder(from.folder).catch(ignoreMissing);
    return true;
  }
  return false;
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

/** False when there is nothing to move. A file that is there already is the same one. */
async function moveFile(from: string, to: string): Promise<boolean> {
  try {
    // Of two names for one file, as an earlier version left them when it crashed, a rename removes none.
    if (await isRegularFile(to)) await unlink(from);
    else await rename(from, to);
    return true;
  } catch (error) {
    ignoreMissing(error);
    return false;
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
