import { getLogger } from "../logging/logger.ts";

/** Something about a picture that a list or its metadata tells is no longer as it was. */
export interface ImageChange {
  /** `stored` and `deleted` change lists; `updated` what is known of one picture. */
  readonly kind: "stored" | "deleted" | "updated";
  readonly imageId: string;
}

export type ImageChangeListener = (change: ImageChange) => void;

/** Carries changes to the other processes of the store, and theirs to this one. What it loses is told to nobody. */
export interface ChangeRelay {
  /** Does not wait and never throws. */
  send(change: ImageChange): void;
  /** Called once, before `start()`. */
  onChange(listener: ImageChangeListener): void;
  /** Begins to listen to the others; does not wait for it. */
  start(): void;
  close(): Promise<void>;
}

const logger = getLogger("images");

/** Tells whoever wants to know what this process does to pictures and, through a relay, what others do. */
export class ImageChanges {
  readonly #listeners = new Set<{ readonly tell: ImageChangeListener }>();
  readonly #relay: ChangeRelay | undefined;

  constructor(relay?: ChangeRelay) {
    this.#relay = relay;
    relay?.onChange((change) => this.#tellHere(change));
  }

  /** Tells the listener what happens from now on; the function that comes back ends that. */
  subscribe(listener: ImageChangeListener): () => void {
    const entry = { tell: listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  tell(change: ImageChange): void {
    this.#tellHere(change);
    this.#relay?.send(change);
  }

  #tellHere(change: ImageChange): void {
    for (const { tell } of this.#listeners) {
      try {
        tell(change);
      } catch (error) {
        logger.error("change_listener_failed", { error });
      }
    }
  }
}
