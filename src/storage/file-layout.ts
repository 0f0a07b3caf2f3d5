import { join, sep } from "node:path";
import { IMAGE_FORMATS, type ImageFormat } from "../core/image-format.ts";
import { parseImageId, type ImageId, type ParsedImageId } from "../core/image-id.ts";

/**
 * How pictures lie in a folder: `<root>/YYYY-MM-DD/HH-m0/<id>.png` beside `<id>.json`, one folder for ten minutes of
 * UTC, computed from the id. Folders of that span stay small enough to list, and expire as a whole. Kept pictures lie
 * in the same way under `<root>/kept`, where nothing expires.
 */
const SLOT_MS = 10 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;
/** The folder of the root that holds what is kept. */
export const KEPT_FOLDER = "kept";

/** Years above 9999 have a sign and six digits, as in ISO 8601; an id's time can reach the year 10889. */
const DAY_NAME = /^(?:\d{4}|\+\d{6})-\d{2}-\d{2}$/;
const SLOT_NAME = /^(?:[01]\d|2[0-3])-[0-5]0$/;

/** Where the files of one image are. The only way from an id to a path. */
export interface ImagePlace {
  readonly id: ImageId;
  readonly isKept: boolean;
  /** From below the root to the folder that holds the files. */
  readonly folders: readonly string[];
  /** Holds the files. */
  readonly folder: string;
  /** `undefined` for the flat layout, where the files know it. */
  readonly createdAtMs: number | undefined;
  readonly recordPath: string;
  readonly formats: readonly ImageFormat[];
}

export function toImagePlace(root: string, image: ParsedImageId, isKept = false): ImagePlace {
  const { id } = image;
  const top = isKept ? join(root, KEPT_FOLDER) : root;
  const folders = isKept ? [top] : [];
  if (image.kind === "legacy") {
    const recordPath = `${top}${sep}${id}.json`;
    return { id, isKept, folders, folder: top, createdAtMs: undefined, recordPath, formats: ["png"] };
  }
  const { createdAtMs } = image;
  // Plain texts: `join` would be a third of what it costs to find out that an id is unknown.
  const names = toFolderNames(createdAtMs);
  const day = `${top}${sep}${names.day}`;
  const folder = `${day}${sep}${names.slot}`;
  const recordPath = `${folder}${sep}${id}.json`;
  folders.push(day, folder);
  return { id, isKept, folders, folder, createdAtMs, recordPath, formats: ["png", "jpeg", "webp"] };
}

/** Where the files are when the picture is kept, for one that is not, and the other way round. */
export function toOtherPlace(root: string, { id, isKept, createdAtMs }: ImagePlace): ImagePlace {
  const image: ParsedImageId =
    createdAtMs === undefined ? { kind: "legacy", id } : { kind: "current", id, createdAtMs };
  return toImagePlace(root, image, !isKept);
}

export function toImagePath(place: ImagePlace, format: ImageFormat): string {
  return `${place.folder}${sep}${place.id}.${IMAGE_FORMATS[format].extension}`;
}

/** A span of time with a folder of its own; `endMs` is the first millisecond behind it. */
export interface FolderSpan {
  readonly startMs: number;
  readonly endMs: number;
}

/** The day that a folder of this name holds, or `undefined` for a name that is not ours. */
export function parseDayName(name: string): FolderSpan | undefined {
  if (!DAY_NAME.test(name)) return undefined;
  const startMs = Date.parse(`${name}T00:00:00.000Z`);
  if (Number.isNaN(startMs) || toFolderNames(startMs).day !== name) return undefined;
  return { startMs, endMs: startMs + DAY_MS };
}

/** The ten minutes that a folder of this name holds within its day, or `undefined` for a name that is not ours. */
export function parseSlotName(name: string, day: FolderSpan): FolderSpan | undefined {
  if (!SLOT_NAME.test(name)) return undefined;
  const startMs = day.startMs + (Number(name.slice(0, 2)) * 60 + Number(name.slice(3))) * 60_000;
  return { startMs, endMs: startMs + SLOT_MS };
}

export type ParsedFileName =
  | { readonly kind: "image"; readonly image: ParsedImageId; readonly format: ImageFormat }
  | { readonly kind: "record"; readonly image: ParsedImageId };

/** What a file of this name is, or `undefined` for a name that is not ours. */
export function parseFileName(name: string): ParsedFileName | undefined {
  const dot = name.lastIndexOf(".");
  if (dot < 0) return undefined;
  const image = parseImageId(name.slice(0, dot));
  if (image === undefined) return undefined;
  const extension = name.slice(dot + 1);
  if (extension === "json") return { kind: "record", image };
  const format = FORMATS_BY_EXTENSION.get(extension);
  return format && { kind: "image", image, format };
}

const FORMATS_BY_EXTENSION: ReadonlyMap<string, ImageFormat> = new Map([
  [IMAGE_FORMATS.png.extension, "png"],
  [IMAGE_FORMATS.jpeg.extension, "jpeg"],
  [IMAGE_FORMATS.webp.extension, "webp"],
]);

function toFolderNames(timeMs: number): { readonly day: string; readonly slot: string } {
  const text = new Date(timeMs).toISOString();
  const end = text.indexOf("T");
  return { day: text.slice(0, end), slot: `${text.slice(end + 1, end + 3)}-${text.charAt(end + 4)}0` };
}
