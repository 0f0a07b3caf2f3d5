import type { Readable } from "node:stream";
import { systemClock } from "../core/clock.ts";

export interface S3BodyOptions {
  /** The body that came with the object's headers. */
  readonly first: Readable;
  /** Asks for the bytes from `position` on. */
  readonly reopen: (position: number, signal: AbortSignal) => Promise<Readable>;
  /** How long an unread body may hold its connection, of which there are few. Default 5 s. */
  readonly idleMs?: number;
}

const ATTEMPTS = 3;
const DEFAULT_IDLE_MS = 5_000;

/**
 * The body of an object, read as fast as its reader wants: one stream while it is read in order, a new request for any
 * other place, after a break, and after a pause that was so long that the connection was given to others.
 */
export class S3Body {
  readonly #options: S3BodyOptions;
  #stream: Readable | undefined;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  /** What came with the last chunk and was not asked for yet. */
  #rest: Uint8Array = new Uint8Array();
  #position = 0;
  #idle: AbortController | undefined;
  #isClosed = false;

  constructor(options: S3BodyOptions) {
    this.#options = options;
    this.#use(options.first);
    this.#startIdling();
  }

  /** Fills `into` and gives how many bytes there were: fewer only where the object ends. */
  async read(into: Uint8Array, position: number, signal: AbortSignal): Promise<number> {
    if (this.#isClosed) throw new TypeError("The body is closed");
    this.#idle?.abort();
    const stop = (): void => this.#drop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      const length = await this.#fill(into, position, signal);
      signal.throwIfAborted();
      return length;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#startIdling();
    }
  }

  /** Frees the connection. Safe to call twice. */
  close(): void {
    this.#isClosed = true;
    this.#idle?.abort();
    this.#drop();
  }

  async #fill(into: Uint8Array, position: number, signal: AbortSignal): Promise<number> {
    let length = 0;
    for (let attempt = 1; length < into.length;) {
      signal.throwIfAborted();
      try {
        const chunk = await this.#take(into.length - length, position + length, signal);
        if (chunk === undefined) break;
        into.set(chunk, length);
        length += chunk.length;
        attempt = 1;
      } catch (error) {
        this.#drop();
        signal.throwIfAborted();
        if (attempt === ATTEMPTS || this.#isClosed) throw error;
        attempt++;
      }
    }
    return length;
  }

  /** Up to `count` bytes from `position` on; `undefined` at the end. */
  async #take(count: number, position: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    if (this.#stream === undefined || position !== this.#position) {
      this.#drop();
      this.#use(await this.#options.reopen(position, signal));
      this.#position = position;
    }
    if (this.#rest.length === 0) {
      const next = await this.#chunks?.next();
      if (next === undefined || next.done === true) return undefined;
      this.#rest = next.value;
    }
    const chunk = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(chunk.length);
    this.#position += chunk.length;
    return chunk;
  }

  #use(stream: Readable): void {
    this.#stream = stream;
    stream.on("error", () => undefined); // told to whoever reads; nobody may be reading
    this.#chunks = stream[Symbol.asyncIterator]();
    if (this.#isClosed) this.#drop();
  }

  #drop(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
    this.#chunks = undefined;
    this.#rest = new Uint8Array();
  }

  #startIdling(): void {
    if (this.#isClosed || this.#stream === undefined) return;
    const idle = new AbortController();
    this.#idle = idle;
    systemClock.sleep(this.#options.idleMs ?? DEFAULT_IDLE_MS, idle.signal).then(
      () => this.#drop(),
      () => undefined,
    );
  }
}
