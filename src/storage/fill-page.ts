import { MAX_SEARCHED_RECORDS, type ImagePage, type ImageRecord } from "./abstract-storage.ts";
import { toSearchable } from "./find-query.ts";
import { mapConcurrently } from "./map-concurrently.ts";

export interface PageOptions<Image extends { readonly id: string }> {
  /** Every image that the query means, in the order of the listing; read no further than the page needs. */
  readonly candidates: AsyncIterable<Image>;
  readonly limit: number;
  /** What the prompt must hold; with any, a page looks at `MAX_SEARCHED_RECORDS` at most. */
  readonly words: readonly string[];
  /** `undefined` for an image that is gone meanwhile. */
  readonly readRecord: (image: Image) => Promise<ImageRecord | undefined>;
  /** How many records are read at the same time. */
  readonly concurrency: number;
}

/** Records that a search reads before it looks whether the page is full. */
const SEARCH_BATCH = 100;

/** Reads records until the page is full; gives a cursor only when at least one more candidate is there. */
export async function fillPage<Image extends { readonly id: string }>(options: PageOptions<Image>): Promise<ImagePage> {
  const { candidates, limit, words, readRecord, concurrency } = options;
  const isSearch = words.length > 0;
  const maxLooked = isSearch ? MAX_SEARCHED_RECORDS : Number.POSITIVE_INFINITY;
  const records: ImageRecord[] = [];
  let waiting: Image[] = [];
  let looked = 0;
  let last: Image | undefined;

  const readWaiting = async (): Promise<void> => {
    for (const record of await mapConcurrently(waiting, concurrency, readRecord)) {
      if (record !== undefined && holdsWords(record, words)) records.push(record);
    }
    waiting = [];
  };

  for await (const image of candidates) {
    if (image.id === last?.id) continue; // one id under two names
    if (waiting.length === (isSearch ? SEARCH_BATCH : limit - records.length) || looked === maxLooked) {
      await readWaiting();
      if (records.length > limit) break;
      if (last !== undefined && (records.length === limit || looked === maxLooked)) {
        return { records, nextCursor: last.id };
      }
    }
    waiting.push(image);
    looked++;
    last = image;
  }
  await readWaiting();
  const end = records.length > limit ? records[limit - 1] : undefined;
  return end === undefined ? { records } : { records: records.slice(0, limit), nextCursor: end.image_id };
}

function holdsWords(record: ImageRecord, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const { prompt } = record;
  if (typeof prompt !== "string") return false;
  const searchable = toSearchable(prompt);
  return words.every((word) => searchable.includes(word));
}
