import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { isErrno, MCPImageError, StorageError } from "../../core/errors.ts";
import type { HubConnection } from "./hub-connection.ts";
import type { HubFile } from "./hub-files.ts";

export interface DownloadOptions {
  readonly hub: HubConnection;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly url: string;
  readonly file: HubFile;
  /** Where the whole file goes; what there is of it lies beside it until then. */
  readonly path: string;
  /** Bytes of this file that are there. */
  readonly onBytes: (bytes: number) => void;
}

/** Attempts in a row that bring nothing new. */
const MAX_FRUITLESS = 4;
const FIRST_PAUSE_MS = 500;

/**
 * Fetches a file, from where an earlier attempt was cut off, and checks it. A file that is there already is only checked.
 *
 * @throws {MCPImageError} `upstream_unavailable` when the connection keeps breaking, `upstream_error` when the content is
 *   not what the hub's list says, and what `HubConnection.get()` throws
 */
export async function downloadFile(options: DownloadOptions): Promise<void> {
  const { file, path, onBytes } = options;
  const part = `${path}.part`;
  if ((await sizeOf(path)) === file.sizeBytes && (await isIntact(path, file))) {
    onBytes(file.sizeBytes);
    return;
  }
  await mkdir(dirname(path), { recursive: true });
  for (let isRepeat = false; ; isRepeat = true) {
    await fetchWhole(options, part);
    if (await isIntact(part, file)) break;
    // Perhaps the rest came of another version: once more, from the start.
    await rm(part, { force: true });
    if (isRepeat) throw new MCPImageError("upstream_error", `${file.path} arrived damaged: its checksum is wrong`);
  }
  await rename(part, path);
}

async function fetchWhole(options: DownloadOptions, part: string): Promise<void> {
  const { clock, signal, file } = options;
  let fruitless = 0;
  for (;;) {
    const before = (await sizeOf(part)) ?? 0;
    if (before === file.sizeBytes && before > 0) return;
    try {
      await fetchRest(options, part, before > file.sizeBytes ? 0 : before);
      return;
    } catch (error) {
      signal.throwIfAborted();
      const mayHelp = error instanceof MCPImageError && error.code === "upstream_unavailable";
      fruitless = ((await sizeOf(part)) ?? 0) > before ? 0 : fruitless + 1;
      if (!mayHelp || fruitless >= MAX_FRUITLESS) throw error;
      await clock.sleep(FIRST_PAUSE_MS * 2 ** fruitless, signal);
    }
  }
}

async function fetchRest({ hub, url, file, onBytes }: DownloadOptions, part: string, from: number): Promise<void> {
  const answer = await hub.get(url, from > 0 ? { range: `bytes=${from}-` } : {});
  const isRest = answer.status === 206 && answer.headers.get("content-range")?.startsWith(`bytes ${from}-`) === true;
  let bytes = isRest ? from : 0;
  try {
    await using handle = await open(part, isRest ? "a" : "w");
    for await (const chunk of answer.chunks) {
      bytes += chunk.length;
      if (bytes > file.sizeBytes)
        throw new MCPImageError("upstream_error", `${file.path} is longer than its list says`);
      await handle.writeFile(chunk);
      onBytes(bytes);
    }
    await handle.sync();
  } catch (error) {
    if (isErrno(error, "ENOSPC", "EDQUOT")) {
      throw new StorageError("storage_full", `Cannot write "${part}": the disk is full`, { cause: error });
    }
    throw error;
  }
  if (bytes === file.sizeBytes) return;
  throw new MCPImageError("upstream_unavailable", `${file.path} ended after ${bytes} of ${file.sizeBytes} bytes`);
}

async function isIntact(path: string, { checksum, sizeBytes }: HubFile): Promise<boolean> {
  const hash: Hash = createHash(checksum.kind === "sha256" ? "sha256" : "sha1");
  // Git hashes a header before the content.
  if (checksum.kind === "git") hash.update(`blob ${sizeBytes}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex") === checksum.value;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
