import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "../core/errors.ts";
import type { ImageFormat } from "../core/image-format.ts";
import type { ParsedImageId } from "../core/image-id.ts";
import { isTemporaryName } from "./durable-file.ts";
import { KEPT_FOLDER, parseDayName, parseFileName, parseSlotName, type FolderSpan } from "./file-layout.ts";

export interface TimeFolder extends FolderSpan {
  readonly path: string;
  /** True below the folder of what is kept. */
  readonly isKept: boolean;
}

export interface ListedImage {
  readonly image: ParsedImageId;
  readonly name: string;
  readonly format: ImageFormat;
  readonly isKept: boolean;
}

export interface ListedRecord {
  readonly image: ParsedImageId;
  readonly name: string;
  readonly isKept: boolean;
}

/** The files of ours in one folder; links, pipes and files of other names are not there. */
export interface ListedFiles {
  readonly images: readonly ListedImage[];
  readonly records: readonly ListedRecord[];
  readonly temporaries: readonly string[];
}

export interface ListedRoot {
  /** Oldest first. */
  readonly days: readonly TimeFolder[];
  /** Of the flat layout. */
  readonly files: ListedFiles;
}

/**
 * The folders of days and the files of the flat layout, and the same of what is kept, where anything is.
 *
 * @throws a system error when the root cannot be read
 */
export async function readRoot(root: string): Promise<ListedRoot & { readonly kept: ListedRoot | undefined }> {
  const entries = await readdir(root, { withFileTypes: true });
  const hasKept = entries.some((entry) => entry.name === KEPT_FOLDER && entry.isDirectory());
  const keptPath = join(root, KEPT_FOLDER);
  return {
    ...toListedRoot(root, entries, false),
    kept: hasKept ? toListedRoot(keptPath, await readEntries(keptPath), true) : undefined,
  };
}

function toListedRoot(path: string, entries: readonly Dirent[], isKept: boolean): ListedRoot {
  return {
    days: toFolders({ path, isKept }, entries, parseDayName),
    files: toFiles(entries, isKept, (image) => image.kind === "legacy"),
  };
}

/** The ten-minute folders of a day, oldest first; none when the day is gone. */
export async function readSlots(day: TimeFolder): Promise<readonly TimeFolder[]> {
  return toFolders(day, await readEntries(day.path), (name) => parseSlotName(name, day));
}

/** The files of ours in a ten-minute folder; none when the folder is gone. */
export async function readFiles(slot: TimeFolder): Promise<ListedFiles> {
  const entries = await readEntries(slot.path);
  const belongs = (image: ParsedImageId): boolean =>
    image.kind === "current" && image.createdAtMs >= slot.startMs && image.createdAtMs < slot.endMs;
  return toFiles(entries, slot.isKept, belongs);
}

async function readEntries(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/** Oldest first. */
function toFolders(
  { path, isKept }: Pick<TimeFolder, "path" | "isKept">,
  entries: readonly Dirent[],
  parse: (name: string) => FolderSpan | undefined,
): TimeFolder[] {
  const folders: TimeFolder[] = [];
  for (const entry of entries) {
    const span = entry.isDirectory() ? parse(entry.name) : undefined;
    if (span !== undefined) folders.push({ ...span, path: join(path, entry.name), isKept });
  }
  return folders.sort((one, other) => one.startMs - other.startMs);
}

function toFiles(entries: readonly Dirent[], isKept: boolean, belongs: (image: ParsedImageId) => boolean): ListedFiles {
  const images: ListedImage[] = [];
  const records: ListedRecord[] = [];
  const temporaries: string[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const { name } = entry;
    if (isTemporaryName(name)) {
      temporaries.push(name);
      continue;
    }
    const file = parseFileName(name);
    if (file === undefined || !belongs(file.image)) continue;
    if (file.kind === "record") records.push({ image: file.image, name, isKept });
    else images.push({ image: file.image, name, format: file.format, isKept });
  }
  return { images, records, temporaries };
}
