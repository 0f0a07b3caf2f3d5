import type { ParsedImageId } from "../core/image-id.ts";
import type { ImagePage, ImageRecord } from "./abstract-storage.ts";
import { mapConcurrently } from "./map-concurrently.ts";

export interface PageOptions<Image extends ParsedImageId> {
  /** Every image that the query means, in the order of the listing; read no further than the page needs. */
  readonly candidates: AsyncIterable<Image>;
  readonly limit: number;
  /** `undefined` for an image that is gone meanwhile. */
  readonly readRecord: (image: Image) => Promise<ImageRecord | undefined>;
  /** How many records are read at the same time. */
  readonly concurrency: number;
}

/** Reads records until the page is full; gives a cursor only when at least one more candidate is there. */
export async function fillPage<Image extends ParsedImageId>(options: PageOptions<Image>): Promise<ImagePage> {
  const { candidates, limit, readRecord, concurrency } = options;
  const records: ImageRecord[] = [];
  let waiting: Image[] = [];
  let last: Image | undefined;

  const readWaiting = async (): Promise<void> => {
    for (const record of await mapConcurrently(waiting, concurrency, readRecord)) {
      if (record !== undefined) records.push(record);
    }
    waiting = [];
  };

  for await (const image of candidates) {
    if (image.id === last?.id) continue; // one id under two names
    if (records.length + waiting.length === limit) {
      await readWaiting();
      if (records.length === limit && last !== undefined) return { records, nextCursor: last.id };
    }
    waiting.push(image);
    last = image;
  }
  await readWaiting();
  return { records };
}
