/** Memory of one picture on its way out; whoever took it releases it once. */
export interface LentBuffer {
  readonly bytes: Buffer;
  release(): void;
}

/** The smallest piece of memory that is lent, and the step of the small ones. */
const STEP_BYTES = 64 * 1024;

/**
 * Lends memory and takes it back to lend it again: a fresh 2 MB buffer costs ten times as much as a used one, in page
 * faults and garbage. What is lent and what waits to be lent stays within `maxBytes`.
 */
export class BufferPool {
  readonly #maxBytes: number;
  readonly #free: Buffer[] = [];
  #freeBytes = 0;
  #lentBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are lent or charged now. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** Memory for this many bytes, whose content is arbitrary; `undefined` when too much is lent. */
  take(sizeBytes: number): LentBuffer | undefined {
    const wholeBytes = toClass(sizeBytes);
    if (this.#lentBytes + wholeBytes > this.#maxBytes) return undefined;
    const memory = this.#takeFree(wholeBytes) ?? this.#allocate(wholeBytes);
    this.#lentBytes += wholeBytes;
    let isLent = true;
    return {
      bytes: memory.subarray(0, sizeBytes),
      release: () => {
        if (!isLent) return;
        isLent = false;
        this.#lentBytes -= wholeBytes;
        this.#free.push(memory);
        this.#freeBytes += wholeBytes;
      },
    };
  }

  /** Counts memory that somebody else holds; a negative number when it is held no more. */
  charge(bytes: number): void {
    this.#lentBytes += bytes;
  }

  #takeFree(wholeBytes: number): Buffer | undefined {
    const index = this.#free.findLastIndex((memory) => memory.length === wholeBytes);
    if (index === -1) return undefined;
    const [memory] = this.#free.splice(index, 1);
    this.#freeBytes -= wholeBytes;
    return memory;
  }

  #allocate(wholeBytes: number): Buffer {
    while (this.#lentBytes + this.#freeBytes + wholeBytes > this.#maxBytes) {
      const oldest = this.#free.shift();
      if (oldest === undefined) break;
      this.#freeBytes -= oldest.length;
    }
    return Buffer.allocUnsafeSlow(wholeBytes);
  }
}

/** Few sizes, so that memory fits again: steps of 64 KiB, from 512 KiB on an eighth of the next power of two. */
function toClass(sizeBytes: number): number {
  const power = 2 ** Math.ceil(Math.log2(Math.max(sizeBytes, 1)));
  const step = Math.max(STEP_BYTES, power / 8);
  return Math.max(1, Math.ceil(sizeBytes / step)) * step;
}
