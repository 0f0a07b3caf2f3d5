import { dirname, join } from "node:path";
import { LRUCache } from "lru-cache";
import { isErrno, StorageError } from "../core/errors.ts";
import { Semaphore } from "../core/semaphore.ts";
import { claimFile, createTemporaryName, publishFile, removeFile, syncFolder, writeNewFile } from "./durable-file.ts";
import { makeFolder } from "./file-keeper.ts";
import { toImagePath, type ImagePlace } from "./file-layout.ts";
import { FolderChecks } from "./folder-checks.ts";
import type { NewImage } from "./image-record.ts";

/** A cleaner may remove an empty folder under us; it does not do so again and again. */
const FOLDER_ATTEMPTS = 5;
/**
 * Writes at the same time. One keeps two threads waiting for the disk, and libuv has four, on which reads and look-ups of
 * names wait too: a second one would make everybody else wait for as long as the disk takes for a flush.
 */
const WRITES_AT_ONCE = 1;

/**
 * Writes pictures so that a name is visible only with its whole content, and what was acknowledged survives a power
 * cut: both files are written and flushed under temporary names, the record takes its name first (that claims the id),
 * the picture last (that is the commit), then the folder is flushed.
 */
export class FileWriter {
  /** Folders whose own names are known to be flushed. */
  readonly #folders = new FolderChecks();
  readonly #flushedFolders = new LRUCache<string, true>({ max: 1000 });
  readonly #writes = new Semaphore(WRITES_AT_ONCE);

  /** Gives the path of the picture. @throws {StorageError} `image_exists`, and system errors */
  async write(place: ImagePlace, image: NewImage, signal: AbortSignal | undefined): Promise<string> {
    using _write = await this.#writes.acquire();
    signal?.throwIfAborted();
    const imagePath = toImagePath(place, image.record.format);
    const temporaryImage = join(place.folder, createTemporaryName());
    const temporaryRecord = join(place.folder, createTemporaryName());
    const temporaries = [temporaryImage, temporaryRecord];
    const published: string[] = [];
    try {
      await this.#writeTemporaries(place, [
        { path: temporaryRecord, bytes: Buffer.from(image.recordText) },
        { path: temporaryImage, bytes: image.imageData },
      ]);
      signal?.throwIfAborted();
      if (!(await claimFile(temporaryRecord, place.recordPath))) throw imageExists(place);
      published.push(place.recordPath);
      if (!(await publishFile(temporaryImage, imagePath))) throw imageExists(place);
      published.unshift(imagePath);
      await Promise.all([this.#flush(place), removeAll(temporaries)]);
      return imagePath;
    } catch (error) {
      await removeAll([...published, ...temporaries]);
      throw error;
    }
  }

  async #writeTemporaries(place: ImagePlace, files: readonly TemporaryFile[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.#makeFolders(place);
      const results = await Promise.allSettled(files.map(async ({ path, bytes }) => writeNewFile(path, bytes)));
      const failure = results.find((result) => result.status === "rejected");
      if (failure === undefined) return;
      if (!isErrno(failure.reason, "ENOENT") || attempt === FOLDER_ATTEMPTS) throw failure.reason;
      this.#flushedFolders.delete(place.folder);
      await removeAll(files.map(({ path }) => path));
    }
  }

  /** Never makes the root itself: when that is gone, the volume is. */
  async #makeFolders(place: ImagePlace): Promise<void> {
    if (!this.#flushedFolders.has(place.folder)) {
      for (const folder of place.folders) await makeFolder(folder);
    }
    if ((await this.#folders.check(place, "by_thread")) !== "linked") return;
    throw new StorageError("storage_unavailable", `Cannot save image "${place.id}": a link stands in a folder's place`);
  }

  /** Flushes the folder of the picture; once per process, also the folders that hold its name. */
  async #flush(place: ImagePlace): Promise<void> {
    await syncFolder(place.folder);
    if (this.#flushedFolders.has(place.folder)) return;
    for (const folder of place.folders.toReversed()) await syncFolder(dirname(folder));
    this.#flushedFolders.set(place.folder, true);
  }
}

interface TemporaryFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Best effort: the error that led here matters more, and what stays is swept later. */
async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) await removeFile(path).catch(() => false);
}

function imageExists(place: ImagePlace): StorageError {
  return new StorageError("image_exists", `Cannot save image "${place.id}": its id is taken`);
}
