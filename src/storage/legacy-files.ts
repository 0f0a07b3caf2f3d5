import { LRUCache } from "lru-cache";
import type { ImageId, ParsedImageId } from "../core/image-id.ts";
import type { ListedImage } from "./file-folders.ts";
import { toImagePlace } from "./file-layout.ts";
import type { FileReader } from "./file-reader.ts";
import type { ParsedQuery } from "./find-query.ts";
import { mapConcurrently } from "./map-concurrently.ts";

const READ_CONCURRENCY = 16;
const REMEMBERED_DATES = 100_000;

interface DatedImage {
  readonly listed: ListedImage;
  readonly createdAtMs: number;
}

/**
 * The flat layout of an earlier server: `<uuid>.png` beside `<uuid>.json` in the root. Its ids hold no time, so every
 * such picture is looked at once; nothing new is ever saved there, and what is there expires.
 */
export class LegacyFiles {
  readonly #root: string;
  readonly #reader: FileReader;
  /** Also of deleted pictures, so that a listing can go on behind one. */
  readonly #dates = new LRUCache<ImageId, number>({
    maxSize: REMEMBERED_DATES, // `max` would take the memory for all of them at once
    sizeCalculation: () => 1,
  });

  constructor(root: string, reader: FileReader) {
    this.#root = root;
    this.#reader = reader;
  }

  /** The pictures that the query means, newest first. Ends when the cursor's picture was never seen. */
  async list(listed: readonly ListedImage[], query: ParsedQuery): Promise<ListedImage[]> {
    if (listed.length === 0) return [];
    const dated = (await this.#readDates(listed)).sort(byNewest);
    const isBehindCursor = this.#toCursorFilter(query.cursor);
    return dated
      .filter(({ listed: { image } }) => image.id.startsWith(query.prefix))
      .filter(({ listed: { isKept }, createdAtMs }) => isKept || createdAtMs > query.createdAfterMs)
      .filter(isBehindCursor)
      .map((entry) => entry.listed);
  }

  /** The pictures that were made before `cutoffMs`. */
  async listExpired(listed: readonly ListedImage[], cutoffMs: number): Promise<ListedImage[]> {
    await this.#readDates(listed);
    return listed.filter(({ image }) => (this.#dates.get(image.id) ?? Number.POSITIVE_INFINITY) < cutoffMs);
  }

  #toCursorFilter(cursor: ParsedImageId | undefined): (entry: DatedImage) => boolean {
    if (cursor?.kind !== "legacy") return () => true;
    const createdAtMs = this.#dates.get(cursor.id);
    if (createdAtMs === undefined) return () => false;
    return (entry) => compare({ id: cursor.id, createdAtMs }, toKey(entry)) < 0;
  }

  async #readDates(listed: readonly ListedImage[]): Promise<DatedImage[]> {
    const dated = await mapConcurrently(listed, READ_CONCURRENCY, async (entry) => {
      const { image, format, isKept } = entry;
      if (format !== "png") return [];
      const createdAtMs =
        this.#dates.get(image.id) ?? (await this.#reader.readCreatedAtMs(toImagePlace(this.#root, image, isKept)));
      if (createdAtMs === undefined) return [];
      this.#dates.set(image.id, createdAtMs);
      return [{ listed: entry, createdAtMs }];
    });
    return dated.flat();
  }
}

interface SortKey {
  readonly id: ImageId;
  readonly createdAtMs: number;
}

function toKey({ listed, createdAtMs }: DatedImage): SortKey {
  return { id: listed.image.id, createdAtMs };
}

function byNewest(one: DatedImage, other: DatedImage): number {
  return compare(toKey(one), toKey(other));
}

function compare(one: SortKey, other: SortKey): number {
  if (one.createdAtMs !== other.createdAtMs) return other.createdAtMs - one.createdAtMs;
  if (one.id === other.id) return 0;
  return one.id < other.id ? 1 : -1;
}
