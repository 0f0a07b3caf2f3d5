import type { ParsedImageId } from "../core/image-id.ts";
import type { ImagePage } from "./abstract-storage.ts";
import { fillPage } from "./fill-page.ts";
import { readFiles, readRoot, readSlots, type ListedImage, type TimeFolder } from "./file-folders.ts";
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

type Candidate = ParsedImageId & Pick<ListedImage, "isKept">;

/** One page of records; reads only the folders that can hold some of it. */
export async function listFiles(
  parts: ListingParts,
  query: ParsedQuery,
  signal: AbortSignal | undefined,
): Promise<ImagePage> {
  return fillPage({
    candidates: findCandidates(parts, query, signal),
    limit: query.limit,
    words: query.words,
    readRecord: async (image) => parts.reader.readListedRecord(toImagePlace(parts.root, image, image.isKept)),
    concurrency: READ_CONCURRENCY,
  });
}

/** Every image that the query means, newest first; the flat layout comes last. */
async function* findCandidates(
  { root, legacy }: ListingParts,
  query: ParsedQuery,
  signal: AbortSignal | undefined,
): AsyncGenerator<Candidate> {
  const { days, files, kept } = await readRoot(root);
  const { prefix, cursor, createdAfterMs, timeRange } = query;
  if (timeRange !== undefined && cursor?.kind !== "legacy") {
    const lastMs = Math.min(timeRange.lastMs, cursor?.createdAtMs ?? Number.POSITIVE_INFINITY);
    const isWanted = (span: TimeFolder): boolean =>
      span.startMs <= lastMs && span.endMs > timeRange.firstMs && (span.isKept || span.endMs - 1 > createdAfterMs);
    for (const sameDay of groupByTime([...days, ...(kept?.days ?? [])].filter(isWanted))) {
      const slots: TimeFolder[] = [];
      for (const day of sameDay) slots.push(...(await readSlots(day)).filter(isWanted));
      for (const sameSlot of groupByTime(slots)) {
        signal?.throwIfAborted();
        const images: ListedImage[] = [];
        for (const slot of sameSlot) images.push(...(await readFiles(slot)).images);
        for (const { image, isKept } of images.sort(byNewest)) {
          if (!image.id.startsWith(prefix) || (cursor !== undefined && image.id >= cursor.id)) continue;
          if (image.kind === "current" && (isKept || image.createdAtMs > createdAfterMs)) yield { ...image, isKept };
        }
      }
    }
  }
  const flat = await legacy.list([...files.images, ...(kept?.files.images ?? [])], query);
  for (const { image, isKept } of flat) yield { ...image, isKept };
}

/**
 * Folders of the same time together, the newest first. In each group what is not kept comes first: a picture that is
 * being kept meanwhile appears there before it is gone here.
 */
function groupByTime(folders: readonly TimeFolder[]): TimeFolder[][] {
  const groups = new Map<number, TimeFolder[]>();
  for (const folder of folders) {
    const group = groups.get(folder.startMs);
    if (group === undefined) groups.set(folder.startMs, [folder]);
    else group.push(folder);
  }
  return [...groups.values()].sort(([one], [other]) => (other?.startMs ?? 0) - (one?.startMs ?? 0));
}

function byNewest({ image: one }: ListedImage, { image: other }: ListedImage): number {
  if (one.id === other.id) return 0;
  return one.id < other.id ? 1 : -1;
}
