import { IMAGE_FORMATS } from "../core/image-format.ts";
import { ownerOf } from "../images/owner.ts";
import type { ImageRecord } from "../storage/abstract-storage.ts";
import type { Validators } from "./conditions.ts";
import { PICTURE_HEADERS, type HeaderList } from "./response-headers.ts";

/** What HTTP says of a picture beside its bytes, made once and kept with it. */
export interface PictureHead extends Validators {
  readonly sha256: string;
  /** Who made the picture; `undefined` when nobody had to say who they were. */
  readonly owner: string | undefined;
  /** Without the dot; the only one that the picture answers to. */
  readonly extension: string;
  /** `Infinity` when the picture never expires. */
  readonly expiresAtMs: number;
  /** Of 200, 206 and 304: tags, dates, policies. */
  readonly sharedHeaders: HeaderList;
  /** Of 200 and 206: what the bytes are. */
  readonly contentHeaders: HeaderList;
}

/** Caches may keep what never expires for a year: the longest time that RFC 2616 foresaw, and enough. */
const NEVER_SECONDS = 31_536_000;

export function toPictureHead(record: ImageRecord, expiresAtMs: number | undefined): PictureHead {
  const { mimeType, extension } = IMAGE_FORMATS[record.format];
  const lastModifiedMs = Math.floor(Date.parse(record.created_at) / 1000) * 1000;
  const lastModified = new Date(lastModifiedMs).toUTCString();
  const etag = `"${record.sha256}"`;
  return {
    sha256: record.sha256,
    owner: ownerOf(record),
    etag,
    lastModified,
    lastModifiedMs,
    size: record.size,
    extension,
    expiresAtMs: expiresAtMs ?? Infinity,
    sharedHeaders: ["ETag", etag, "Last-Modified", lastModified, "Accept-Ranges", "bytes", ...PICTURE_HEADERS],
    contentHeaders: [
      "Content-Type",
      mimeType,
      "Content-Disposition",
      `inline; filename="${record.image_id}.${extension}"`,
    ],
  };
}

/** How long which caches may keep the picture: never longer than it is kept here. */
export function toCacheControl(expiresAtMs: number, nowMs: number, scope: "public" | "private"): string {
  const seconds = Math.floor((expiresAtMs - nowMs) / 1000);
  return `${scope}, max-age=${Math.max(0, Math.min(seconds, NEVER_SECONDS))}, immutable`;
}
