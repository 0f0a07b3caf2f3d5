import { LRUCache } from "lru-cache";
import { systemClock } from "../core/clock.ts";
import type { ImagePlace } from "./file-layout.ts";
import { lookAt, lookAtOnce, type LookUp } from "./open-file.ts";

/** How long a folder that was seen to be real counts as such: whoever can replace it could replace the files as well. */
const TRUSTED_MS = 1_000;
const REMEMBERED_FOLDERS = 1_000;

export type FolderState = "real" | "linked" | "missing";

/** Whether the folders on the way to a picture are real ones, or a link that somebody planted is among them. */
export async function checkFolders({ folders }: ImagePlace, lookUp: LookUp = "by_thread"): Promise<FolderState> {
  for (const folder of folders) {
    const stats = await lookAt(folder, lookUp);
    if (stats === undefined) return "missing";
    if (!stats.isDirectory()) return "linked";
  }
  return "real";
}

/** As `checkFolders`, with a short memory. */
export class FolderChecks {
  readonly #seenAtMs = new LRUCache<string, number>({ max: REMEMBERED_FOLDERS });

  async check(place: ImagePlace, lookUp: LookUp): Promise<FolderState> {
    if (this.isKnown(place)) return "real";
    const seenAtMs = systemClock.monotonicMs();
    const state = await checkFolders(place, lookUp);
    if (state === "real") this.#seenAtMs.set(place.folder, seenAtMs);
    return state;
  }

  /** True when there is something of the folder's name, or was a moment ago. Looks on the event loop. */
  isThere(place: ImagePlace): boolean {
    if (this.isKnown(place)) return true;
    const seenAtMs = systemClock.monotonicMs();
    if (lookAtOnce(place.folder) === undefined) return false;
    const isReal = place.folders.every((folder) => lookAtOnce(folder)?.isDirectory() === true);
    if (isReal) this.#seenAtMs.set(place.folder, seenAtMs);
    return true;
  }

  /** True when the folders were real a moment ago. */
  isKnown({ folder, folders }: ImagePlace): boolean {
    if (folders.length === 0) return true;
    const seenAtMs = this.#seenAtMs.get(folder);
    return seenAtMs !== undefined && systemClock.monotonicMs() - seenAtMs < TRUSTED_MS;
  }
}
