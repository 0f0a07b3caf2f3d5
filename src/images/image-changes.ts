import { getLogger } from "../logging/logger.ts";

/** Something about a picture that a list or its metadata tells is no longer as it was. */
export interface ImageChange {
  /** `stored` and `deleted` change lists; `updated` what is known of one picture. */
  readonly kind: "stored" | "deleted" | "updated";
  readonly imageId: string;
}

export type ImageChangeListener = (change: ImageChange) => void;

const logger = getLogger("images");

/** Tells whoever wants to know what this process does to pictures; what other processes do is not told. */
export class ImageChanges {
  readonly #listeners = new Set<{ readonly tell: ImageChangeListener }>();

  /** Tells the listener what happens from now on; the function that comes back ends that. */
  subscribe(listener: ImageChangeListener): () => void {
    const entry = { tell: listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  tell(change: ImageChange): void {
    for (const { tell } of this.#listeners) {
      try {
        tell(change);
      } catch (error) {
        logger.error("change_listener_failed", { error });
      }
    }
  }
}
