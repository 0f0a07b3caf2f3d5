import { hash } from "node:crypto";
import { createImageId, type ImageId } from "../../src/core/image-id.ts";
import type { ImageFormat } from "../../src/core/image-format.ts";
import { createSampleImage, SAMPLE_FORMATS } from "../../src/testing/sample-images.ts";

/** Times are of the machine's one monotonic clock. */
interface Span {
  readonly startNs: number;
  readonly endNs: number;
}

interface ActEvent<Kind extends string> extends Span {
  readonly kind: Kind;
  readonly picture: number;
  readonly isDone: boolean;
}

interface ReadEvent extends Span {
  readonly kind: "read";
  readonly picture: number;
  /** Of what was read; `undefined` when there was nothing. */
  readonly sha256?: string | undefined;
}

interface ListEvent extends Span {
  readonly kind: "list";
  /** Newest first. */
  readonly pictures: readonly number[];
  /** False when there were more. */
  readonly isAll: boolean;
}

interface CleanEvent extends Span {
  readonly kind: "clean";
  readonly deleted: number;
}

/** What one of several processes did to their store. */
export type HistoryEvent =
  | ActEvent<"save">
  | ActEvent<"delete">
  | ActEvent<"keep">
  | ActEvent<"release">
  | ReadEvent
  | ListEvent
  | CleanEvent;

export const TTL_SECONDS = 3600;
const HOUR_MS = 3_600_000;
/** Every so many pictures one is past its time when it is saved. */
const EXPIRED_EVERY = 7;

/** One picture of the history: the same in every process. */
export interface HistoryPicture {
  readonly id: ImageId;
  readonly isExpired: boolean;
  readonly imageData: Buffer;
  readonly sha256: string;
}

export function createHistoryPicture(number: number, nowMs: number): HistoryPicture {
  const isExpired = number % EXPIRED_EVERY === 0;
  const ageMs = (isExpired ? 2 * HOUR_MS : 0) + ((number * 7919) % 600_000);
  const bytes = Buffer.from(hash("sha256", `picture ${number}`, "hex"), "hex");
  const id = createImageId(nowMs - ageMs, {
    bytes: (count) => bytes.subarray(0, count),
    fraction: () => 0,
    uint32: () => 0,
  });
  const format: ImageFormat = SAMPLE_FORMATS[number % SAMPLE_FORMATS.length] ?? "png";
  const imageData = createSampleImage(500 + ((number * 31) % 8000), format, number);
  return { id, isExpired, imageData, sha256: hash("sha256", imageData, "hex") };
}

export interface HistoryRules {
  readonly toPicture: (number: number) => Pick<HistoryPicture, "isExpired" | "sha256" | "id">;
  /** True when exactly one of several deletions may say that it did it. */
  readonly countsDeletesExactly: boolean;
}

/** Every way in which the events contradict a store whose pictures are written once. */
export function findContradictions(events: readonly HistoryEvent[], rules: HistoryRules): string[] {
  const byPicture = new Map<number, PictureEvents>();
  const of = (picture: number): PictureEvents => {
    const known = byPicture.get(picture) ?? { saves: [], deletes: [], moves: [], reads: [] };
    byPicture.set(picture, known);
    return known;
  };
  for (const event of events) {
    if (event.kind === "save") of(event.picture).saves.push(event);
    else if (event.kind === "delete") of(event.picture).deletes.push(event);
    else if (event.kind === "keep" || event.kind === "release") of(event.picture).moves.push(event);
    else if (event.kind === "read") of(event.picture).reads.push(event);
    else if (event.kind === "list") {
      const { startNs, endNs } = event;
      for (const picture of event.pictures) {
        of(picture).reads.push({ startNs, endNs, kind: "read", picture, sha256: rules.toPicture(picture).sha256 });
      }
    }
  }
  const found = [...byPicture].flatMap(([picture, seen]) => checkPicture(picture, seen, rules));
  const lists = events.filter((event) => event.kind === "list");
  return [...found, ...lists.flatMap((list) => checkList(list, byPicture, rules))];
}

interface PictureEvents {
  readonly saves: ActEvent<"save">[];
  readonly deletes: ActEvent<"delete">[];
  readonly moves: (ActEvent<"keep"> | ActEvent<"release">)[];
  readonly reads: ReadEvent[];
}

function checkPicture(picture: number, seen: PictureEvents, rules: HistoryRules): string[] {
  const { sha256 } = rules.toPicture(picture);
  const found: string[] = [];
  const gone = seen.deletes.filter((event) => event.isDone);
  if (rules.countsDeletesExactly && gone.length > 1) found.push(`${picture} was deleted ${gone.length} times`);
  for (const read of seen.reads) {
    if (read.sha256 === undefined) {
      if (mustBeThere(seen, read, picture, rules)) found.push(`${picture} was lost at ${read.startNs}`);
      continue;
    }
    if (read.sha256 !== sha256) found.push(`${picture} had other bytes at ${read.startNs}`);
    if (!seen.saves.some((save) => save.startNs < read.endNs)) found.push(`${picture} was there before it was saved`);
    if (gone.some((event) => event.endNs < read.startNs)) found.push(`${picture} was there after it was deleted`);
  }
  return found;
}

/** Whether the picture was acknowledged before, and nobody may have deleted it until the end of this look. */
function mustBeThere(
  { saves, deletes, moves }: PictureEvents,
  look: Span,
  picture: number,
  { toPicture }: HistoryRules,
): boolean {
  if (!saves.some((save) => save.isDone && save.endNs < look.startNs)) return false;
  if (deletes.some((event) => event.isDone && event.startNs < look.endNs)) return false;
  if (!toPicture(picture).isExpired) return true;
  const kept = moves.find((event) => event.kind === "keep" && event.isDone && event.endNs < look.startNs);
  return kept !== undefined && !moves.some((event) => event.kind === "release" && event.startNs < look.endNs);
}

function checkList(list: ListEvent, byPicture: ReadonlyMap<number, PictureEvents>, rules: HistoryRules): string[] {
  const listed = new Set(list.pictures);
  const ids = list.pictures.map((picture) => rules.toPicture(picture).id);
  const found = ids.some((id, index) => index > 0 && id >= (ids[index - 1] ?? "")) ? ["a list was out of order"] : [];
  const last = list.isAll ? "" : (ids.at(-1) ?? "");
  for (const [picture, seen] of byPicture) {
    if (listed.has(picture) || rules.toPicture(picture).id <= last) continue;
    if (seen.moves.some((move) => move.startNs < list.endNs && move.endNs > list.startNs)) continue;
    if (mustBeThere(seen, list, picture, rules)) found.push(`${picture} was missing in a list at ${list.startNs}`);
  }
  return found;
}
