import {
  close,
  closeSync,
  constants,
  fstat,
  fstatSync,
  lstatSync,
  open,
  openSync,
  read,
  readSync,
  type Stats,
} from "node:fs";
import { lstat, statfs } from "node:fs/promises";
import { promisify } from "node:util";
import { isErrno } from "../core/errors.ts";

/**
 * How names are looked up, and small files read. `at_once`: on the event loop, which takes microseconds on a disk of this
 * machine, as nginx does it. `by_thread`: on the thread pool, since a network file system may answer late or never.
 */
export type LookUp = "at_once" | "by_thread";

/** Never follows a planted link, never waits for a planted pipe. Windows has neither flag. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** `statfs` of Linux for ext, XFS, Btrfs, tmpfs, ramfs, overlay, ZFS, F2FS and bcachefs; anything else may be remote. */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x858458f6, 0x794c7630, 0x2fc12fc1, 0xf2f52010, 0xca451a4e,
]);

/** What is no larger is read as it is looked up: the way to the thread pool and back costs more than a read of this size. */
const AT_ONCE_BYTES = 64 * 1024;

const openByThread = promisify(open);
const fstatByThread = promisify(fstat);

/** A regular file that is open for reading. */
export class OpenFile {
  readonly size: number;
  readonly modifiedAtMs: number;
  readonly #lookUp: LookUp;
  #fd: number | undefined;

  constructor(fd: number, { size, mtimeMs }: Stats, lookUp: LookUp) {
    this.#fd = fd;
    this.size = size;
    this.modifiedAtMs = mtimeMs;
    this.#lookUp = lookUp;
  }

  /** Fills `into` from `position` on and gives how many bytes there were: fewer only where the file ends. */
  async read(into: Uint8Array, position: number): Promise<number> {
    const isAtOnce = this.#lookUp === "at_once" && into.length <= AT_ONCE_BYTES;
    let length = 0;
    while (length < into.length) {
      const count = isAtOnce
        ? readAtOnce(this.#fd, into, length, position + length)
        : await readByThread(this.#fd, into, length, position + length);
      if (count === 0) break;
      length += count;
    }
    return length;
  }

  /** Safe to call twice. */
  close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd === undefined) return;
    if (this.#lookUp === "at_once") closeAtOnce(fd);
    else close(fd, () => undefined);
  }
}

/** The regular file of this name, `undefined` for anything else or nothing. */
export async function openFile(path: string, lookUp: LookUp): Promise<OpenFile | undefined> {
  let fd;
  try {
    fd = lookUp === "at_once" ? openSync(path, READ_FLAGS) : await openByThread(path, READ_FLAGS);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
  try {
    const stats = lookUp === "at_once" ? fstatSync(fd) : await fstatByThread(fd);
    if (stats.isFile()) return new OpenFile(fd, stats, lookUp);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

/** What the name itself is, a link not followed; `undefined` when there is nothing. */
export async function lookAt(path: string, lookUp: LookUp): Promise<Stats | undefined> {
  if (lookUp === "at_once") return lookAtOnce(path);
  try {
    return await lstat(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

export function lookAtOnce(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** How to look up names below this folder. */
export async function chooseLookUp(folder: string): Promise<LookUp> {
  if (process.platform !== "linux") return "by_thread";
  return LOCAL_FILE_SYSTEMS.has((await statfs(folder)).type) ? "at_once" : "by_thread";
}

function readAtOnce(fd: number | undefined, into: Uint8Array, offset: number, position: number): number {
  return readSync(toOpen(fd), into, offset, into.length - offset, position);
}

async function readByThread(
  fd: number | undefined,
  into: Uint8Array,
  offset: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    read(toOpen(fd), into, offset, into.length - offset, position, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

/** Nothing was written, so nothing can be lost, whatever the disk says. */
function closeAtOnce(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // as said
  }
}

function toOpen(fd: number | undefined): number {
  if (fd === undefined) throw new TypeError("The file is closed");
  return fd;
}
