import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { isErrno } from "../core/errors.ts";
import { readFiles, readRoot, readSlots, type ListedFiles } from "./file-folders.ts";
import { KEPT_FOLDER, type ImagePlace } from "./file-layout.ts";
import { mapConcurrently } from "./map-concurrently.ts";
import type { StorageTally, UsageCounter } from "./storage-quota.ts";

interface CountedFolder {
  readonly isKept: boolean;
  /** When its list of names last changed. */
  readonly changedAtMs: number;
  /** False while another change in the same tick of the file system's clock would go unseen. */
  readonly isSettled: boolean;
  images: number;
  bytes: number;
}

interface FolderToCount {
  readonly path: string;
  readonly isKept: boolean;
  readonly readFiles: () => Promise<ListedFiles>;
}

const FOLDER_CONCURRENCY = 4;
const FILE_CONCURRENCY = 8;
/** Far more than a tick of any file system's clock. */
const SETTLED_MS = 3000;

/**
 * What the files take, folder by folder. The time of a folder changes with every file that comes or goes, so a folder
 * whose time is as before is not looked into again: once everything was counted, only what is new costs anything.
 */
export class FileUsage implements UsageCounter {
  readonly #root: string;
  #folders = new Map<string, CountedFolder>();

  constructor(root: string) {
    this.#root = root;
  }

  get tally(): StorageTally {
    const tally = { images: 0, bytes: 0, keptImages: 0, keptBytes: 0 };
    for (const { images, bytes, isKept } of this.#folders.values()) {
      tally.images += images;
      tally.bytes += bytes;
      if (!isKept) continue;
      tally.keptImages += images;
      tally.keptBytes += bytes;
    }
    return tally;
  }

  /** Counts what was just saved, until its folder is counted anew. */
  add({ folder, isKept }: ImagePlace, bytes: number): void {
    const counted = this.#folders.get(folder);
    if (counted === undefined) {
      this.#folders.set(folder, { isKept, changedAtMs: Number.NaN, isSettled: false, images: 1, bytes });
      return;
    }
    counted.images++;
    counted.bytes += bytes;
  }

  async refresh(): Promise<void> {
    const folders = (await orMissing(this.#listFolders())) ?? []; // nothing was ever saved
    const counted = await mapConcurrently(folders, FOLDER_CONCURRENCY, async (folder) => {
      const result = await this.#count(folder);
      return result === undefined ? [] : [[folder.path, result] as const];
    });
    this.#folders = new Map(counted.flat());
  }

  async #listFolders(): Promise<FolderToCount[]> {
    const root = await readRoot(this.#root);
    const folders: FolderToCount[] = [{ path: this.#root, isKept: false, readFiles: async () => root.files }];
    const { kept } = root;
    if (kept !== undefined) {
      folders.push({ path: join(this.#root, KEPT_FOLDER), isKept: true, readFiles: async () => kept.files });
    }
    for (const day of [...root.days, ...(kept?.days ?? [])]) {
      for (const slot of await readSlots(day)) {
        folders.push({ path: slot.path, isKept: slot.isKept, readFiles: async () => readFiles(slot) });
      }
    }
    return folders;
  }

  async #count(folder: FolderToCount): Promise<CountedFolder | undefined> {
    const known = this.#folders.get(folder.path);
    const stats = await orMissing(lstat(folder.path));
    if (stats === undefined) return undefined;
    if (known !== undefined && known.isSettled && known.changedAtMs === stats.mtimeMs) return known;
    const { images, records } = await folder.readFiles();
    const names = [...images, ...records].map(({ name }) => join(folder.path, name));
    const sizes = await mapConcurrently(names, FILE_CONCURRENCY, async (path) => (await orMissing(lstat(path)))?.size);
    return {
      isKept: folder.isKept,
      changedAtMs: stats.mtimeMs,
      isSettled: stats.mtimeMs < systemClock.nowMs() - SETTLED_MS,
      images: images.length,
      bytes: sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0),
    };
  }
}

async function orMissing<Result>(answer: Promise<Result>): Promise<Result | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
