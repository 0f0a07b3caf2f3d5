import type { ImageId, ParsedImageId } from "../core/image-id.ts";
import type { ImagePage, ImageRecord } from "./abstract-storage.ts";
import { readFiles, readRoot, readSlots, type TimeFolder } from "./file-folders.ts";
import { toImagePlace } from "./file-layout.ts";
import type { FileReader } from "./file-reader.ts";
import type { ParsedQuery } from "./find-query.ts";
import type { LegacyFiles } from "./legacy-files.ts";
import { mapConcurrently } from "./map-concurrently.ts";

/** Files that one listing reads at the same time. */
const READ_CONCURRENCY = 16;

/** What a listing reads with. */
export interface ListingParts {
  readonly root: string;
  readonly reader: FileReader;
  readonly legacy: LegacyFiles;
}

/** One page of records; reads only the folders that can hold some of it. */
export async function listFiles(
  parts: ListingParts,
  query: ParsedQuery,
  signal: AbortSignal | undefined,
): Promise<ImagePage> {
  const records: ImageRecord[] = [];
  let lastId: ImageId | undefined;
  let waiting: ParsedImageId[] = [];

  const readWaiting = async (): Promise<void> => {
    signal?.throwIfAborted();
    const read = async (image: ParsedImageId): Promise<ImageRecord | undefined> =>
      parts.reader.readListedRecord(toImagePlace(parts.root, image));
    for (const record of await mapConcurrently(waiting, READ_CONCURRENCY, read)) {
      if (record !== undefined) records.push(record);
    }
    waiting = [];
  };

  for await (const image of findCandidates(parts, query, signal)) {
    if (records.length + waiting.length === query.limit) {
      await readWaiting();
      if (records.length === query.limit && lastId !== undefined) return { records, nextCursor: lastId };
    }
    if (image.id === lastId) continue; // one id under two extensions
    waiting.push(image);
    lastId = image.id;
  }
  await readWaiting();
  return { records };
}

/** Every image that the query means, newest first; the flat layout comes last. */
async function* findCandidates(
  { root, legacy }: ListingParts,
  query: ParsedQuery,
  signal: AbortSignal | undefined,
): AsyncGenerator<ParsedImageId> {
  const { days, files } = await readRoot(root);
  const { prefix, cursor, createdAfterMs, timeRange } = query;
  if (timeRange !== undefined && cursor?.kind !== "legacy") {
    const lastMs = Math.min(timeRange.lastMs, cursor?.createdAtMs ?? Number.POSITIVE_INFINITY);
    const isWanted = (span: TimeFolder): boolean =>
      span.startMs <= lastMs && span.endMs > timeRange.firstMs && span.endMs - 1 > createdAfterMs;
    for (const day of days.filter(isWanted).reverse()) {
      for (const slot of (await readSlots(day)).filter(isWanted).reverse()) {
        signal?.throwIfAborted();
        const { images } = await readFiles(slot);
        for (const image of images.map((entry) => entry.image).sort((one, other) => (one.id < other.id ? 1 : -1))) {
          if (!image.id.startsWith(prefix) || (cursor !== undefined && image.id >= cursor.id)) continue;
          if (image.kind === "current" && image.createdAtMs > createdAfterMs) yield image;
        }
      }
    }
  }
  yield* await legacy.list(files.images, query);
}
