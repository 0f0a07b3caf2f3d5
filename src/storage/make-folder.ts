import { mkdir, opendir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isErrno } from "../core/errors.ts";

/**
 * Makes a folder and those above it, and gives the first that was missing. `mkdir()` with `recursive` never ends where a
 * folder is there but takes none, as below /proc and where an automounter knows no such name.
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  const missing: string[] = [];
  for (let folder = path; !(await isFolder(folder)); folder = dirname(folder)) {
    missing.push(folder);
    if (dirname(folder) === folder) break;
  }
  for (const folder of missing.toReversed()) {
    try {
      await mkdir(folder);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      await (await opendir(folder)).close(); // made by another one meanwhile, or a file in the way
    }
  }
  return missing.at(-1);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}
