export interface BufferPoolOptions {
  /** The most bytes that are kept for later. */
  readonly maxBytes: number;
  /** How many times as large as it need be a buffer may be that is lent again. Default 4. */
  readonly maxWaste?: number;
}

/** A much larger buffer would be missed by the picture that needs it. */
const MAX_WASTE = 4;

/**
 * Lends buffers and takes them back. Measured with pictures of 2 MB: fresh memory for each costs its pages and, as V8
 * counts it, a whole garbage collection every few pictures; together that was more than a third of the work.
 */
export class BufferPool {
  readonly #maxBytes: number;
  readonly #maxWaste: number;
  /** The one that came back last is at the end: its pages are still in the cache. */
  readonly #free: Buffer[] = [];
  #freeBytes = 0;

  constructor(options: BufferPoolOptions) {
    this.#maxBytes = options.maxBytes;
    this.#maxWaste = options.maxWaste ?? MAX_WASTE;
  }

  /** Bytes kept for later. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** A buffer of at least this many bytes, with whatever was in it before. One that never comes back is no harm. */
  lend(bytes: number): Buffer {
    const index = this.#free.findLastIndex(({ length }) => length >= bytes && length <= bytes * this.#maxWaste);
    const [found] = index === -1 ? [] : this.#free.splice(index, 1);
    if (found === undefined) return Buffer.allocUnsafeSlow(bytes);
    this.#freeBytes -= found.length;
    return found;
  }

  /** Takes a lent buffer back, which nobody may use from now on. */
  takeBack(buffer: Buffer): void {
    if (buffer.length === 0 || buffer.length > this.#maxBytes) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
    this.keepAtMost(this.#maxBytes);
  }

  /** Forgets what is kept for later, the oldest first, until no more than so many bytes are. */
  keepAtMost(bytes: number): void {
    while (this.#freeBytes > bytes) this.#freeBytes -= this.#free.shift()?.length ?? 0;
  }
}
