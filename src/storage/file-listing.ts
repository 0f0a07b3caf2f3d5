import type { ParsedImageId } from "../core/image-id.ts";
import type { ImagePage } from "./abstract-storage.ts";
import { fillPage } from "./fill-page.ts";
import { readFiles, readRoot, readSlots, type TimeFolder } from "./file-folders.ts";
import { toImagePlace } from "./file-layout.ts";
import type { FileReader } from "./file-reader.ts";
import type { ParsedQuery } from "./find-query.ts";
import type { LegacyFiles } from "./legacy-files.ts";

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
  return fillPage({
    candidates: findCandidates(parts, query, signal),
    limit: query.limit,
    readRecord: async (image) => parts.reader.readListedRecord(toImagePlace(parts.root, image)),
    concurrency: READ_CONCURRENCY,
  });
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
