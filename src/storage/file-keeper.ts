import { lstat, mkdir, rename, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { isErrno, StorageError } from "../core/errors.ts";
import { removeFile, syncFolder } from "./durable-file.ts";
import { toImagePath, type ImagePlace } from "./file-layout.ts";
import { checkFolders } from "./folder-checks.ts";

/** Others may move the picture to and fro, and remove folders that are still empty; whenever we fail, they got on. */
const MOVE_ATTEMPTS = 100;
/** A picture that others move to and fro can be missed in both places, but not again and again. */
const LOOKS = 4;

/**
 * Moves a picture between what expires and what is kept; true when it lay at `to`, false when it was in neither.
 *
 * Each of its two files changes its name in one step, the picture first, so that of several processes that move it to
 * and fro none can lose either. A crash between the two steps, and two moves that cross, leave the record in the other
 * place: it is read there too, and the next move or cleanup brings it back to its picture.
 */
export async function moveImageFiles(from: ImagePlace, to: ImagePlace): Promise<boolean> {
  let misses = 0;
  for (let attempt = 1; attempt <= MOVE_ATTEMPTS; attempt++) {
    if (await moveOnce(from, to)) return true;
    if (await hasImage(to)) {
      await bringRecord(from, to);
      return true;
    }
    misses = (await hasImage(from)) ? 0 : misses + 1;
    if (misses === LOOKS) return false;
  }
  throw new Error("Other processes move the picture again and again");
}

async function moveOnce(from: ImagePlace, to: ImagePlace): Promise<boolean> {
  for (const format of from.formats) {
    const path = toImagePath(from, format);
    if (!(await isRegularFile(path)) || (await checkFolders(from)) !== "real") continue;
    if (!(await makeFolders(to)) || !(await moveFile(path, toImagePath(to, format)))) continue;
    await bringRecord(from, to);
    await flush(from, to);
    return true;
  }
  return false;
}

/** Moves the record beside its picture, which lies at `to`; takes none from behind a link. */
export async function bringRecord(from: ImagePlace, to: ImagePlace): Promise<void> {
  if ((await checkFolders(from)) === "real") await moveFile(from.recordPath, to.recordPath);
}

/**
 * Deletes a picture wherever it is, before its record, so that it is gone at once. True when this call did it; looks more
 * than once, as another process may be moving it.
 */
export async function deleteImageFiles(place: ImagePlace, kept: ImagePlace): Promise<boolean> {
  const places = [place, kept];
  for (let look = 0; look < LOOKS; look++) {
    let isMine = false;
    for (const each of places) if (await deleteImageOf(each)) isMine = true;
    if (!isMine) continue;
    for (const each of places) {
      if ((await checkFolders(each)) !== "real") continue;
      await removeFile(each.recordPath);
      await syncFolder(each.folder).catch(ignoreMissing);
    }
    await removeEmptyFolders(kept);
    return true;
  }
  return false;
}

async function deleteImageOf(place: ImagePlace): Promise<boolean> {
  let isMine = false;
  for (const format of place.formats) {
    const path = toImagePath(place, format);
    if ((await isRegularFile(path)) && (await checkFolders(place)) === "real" && (await removeFile(path)))
      isMine = true;
  }
  return isMine;
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

/** False when somebody removed one that was still empty. Never makes anything behind a link. */
async function makeFolders({ id, folders }: ImagePlace): Promise<boolean> {
  try {
    for (const folder of folders) {
      await makeFolder(folder);
      if ((await lstat(folder)).isDirectory()) continue;
      throw new StorageError("storage_unavailable", `Cannot move image "${id}": a link stands in a folder's place`);
    }
    return true;
  } catch (error) {
    ignoreMissing(error);
    return false;
  }
}

/** False when there is nothing to move, or no folder any more to move it to. */
async function moveFile(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    ignoreMissing(error);
    return false;
  }
}

/** Makes the new names survive a power cut, then the loss of the old ones. What is gone, another move has flushed. */
async function flush(from: ImagePlace, to: ImagePlace): Promise<void> {
  const parents = to.folders.toReversed().map((folder) => dirname(folder));
  for (const folder of [to.folder, ...parents, from.folder]) await syncFolder(folder).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): void {
  if (!isErrno(error, "ENOENT")) throw error;
}
