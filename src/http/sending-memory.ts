import { BufferPool } from "../core/buffer-pool.ts";

/** Memory of one picture on its way out; whoever took it releases it once. */
export interface LentBuffer {
  readonly bytes: Buffer;
  release(): void;
}

/** The smallest piece of memory that is lent, and the step of the small ones. */
const STEP_BYTES = 64 * 1024;

/** Memory for pictures on their way out: what is lent and what waits to be lent again stays within `maxBytes`. */
export class SendingMemory {
  readonly #maxBytes: number;
  readonly #pool: BufferPool;
  #lentBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#pool = new BufferPool({ maxBytes, maxWaste: 1 });
  }

  /** Bytes that are lent or charged now. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** Memory for this many bytes, whose content is arbitrary; `undefined` when too much is lent. */
  take(sizeBytes: number): LentBuffer | undefined {
    const wholeBytes = toClass(sizeBytes);
    if (this.#lentBytes + wholeBytes > this.#maxBytes) return undefined;
    const memory = this.#pool.lend(wholeBytes);
    this.#lentBytes += wholeBytes;
    this.#pool.keepAtMost(this.#maxBytes - this.#lentBytes);
    let isLent = true;
    return {
      bytes: memory.subarray(0, sizeBytes),
      release: () => {
        if (!isLent) return;
        isLent = false;
        this.#lentBytes -= wholeBytes;
        this.#pool.takeBack(memory);
      },
    };
  }

  /** Counts memory that somebody else holds; a negative number when it is held no more. */
  charge(bytes: number): void {
    this.#lentBytes += bytes;
  }
}

/** Few sizes, so that memory fits again: steps of 64 KiB, from 512 KiB on an eighth of the next power of two. */
function toClass(sizeBytes: number): number {
  const power = 2 ** Math.ceil(Math.log2(Math.max(sizeBytes, 1)));
  const step = Math.max(STEP_BYTES, power / 8);
  return Math.max(1, Math.ceil(sizeBytes / step)) * step;
}
