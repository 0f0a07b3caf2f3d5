import type { BufferPool } from "../core/buffer-pool.ts";

export interface GrowingBufferOptions {
  readonly initialBytes: number;
  /** Room in front of the bytes, for what is inserted near their beginning. Default 0. */
  readonly headroomBytes?: number;
  /** Lends the memory. Default: it is fresh. */
  readonly pool?: BufferPool | undefined;
}

/** Bytes that arrive piece by piece, in one allocation that doubles when it is full. */
export class GrowingBuffer {
  readonly #pool: BufferPool | undefined;
  #buffer: Buffer;
  #start: number;
  #end: number;

  constructor({ initialBytes, headroomBytes = 0, pool }: GrowingBufferOptions) {
    this.#pool = pool;
    this.#buffer = this.#allocate(headroomBytes + initialBytes);
    this.#start = headroomBytes;
    this.#end = headroomBytes;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** What has arrived; a view, valid until the next change. */
  get bytes(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  append(chunk: Uint8Array): void {
    this.#reserve(chunk.length);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Decodes base64 behind the end and gives how many of the `expectedBytes` it wrote. */
  appendBase64(text: string, expectedBytes: number): number {
    this.#reserve(expectedBytes);
    const written = this.#buffer.write(text, this.#end, "base64");
    this.#end += written;
    return written;
  }

  /** Forgets what lies behind `length`. */
  truncate(length: number): void {
    this.#end = Math.min(this.#end, this.#start + length);
  }

  /** Puts a chunk at an offset near the beginning: what lies before it moves into the headroom, the rest stays. */
  insert(offset: number, chunk: Uint8Array): void {
    if (chunk.length > this.#start) this.#move(chunk.length, this.length);
    const start = this.#start - chunk.length;
    this.#buffer.copyWithin(start, this.#start, this.#start + offset);
    this.#buffer.set(chunk, start + offset);
    this.#start = start;
  }

  /**
   * Gives the memory back to the pool: whoever still has a view of it sees the bytes of somebody else. Safe to call twice.
   */
  release(): void {
    this.#pool?.takeBack(this.#buffer);
    this.#buffer = Buffer.alloc(0);
    this.#start = 0;
    this.#end = 0;
  }

  #reserve(count: number): void {
    if (this.#end + count > this.#buffer.length)
      this.#move(this.#start, Math.max(this.length + count, this.length * 2));
  }

  #move(headroom: number, capacity: number): void {
    const larger = this.#allocate(headroom + capacity);
    const length = this.length;
    larger.set(this.bytes, headroom);
    this.#pool?.takeBack(this.#buffer);
    this.#buffer = larger;
    this.#start = headroom;
    this.#end = headroom + length;
  }

  #allocate(bytes: number): Buffer {
    return this.#pool?.lend(bytes) ?? Buffer.allocUnsafeSlow(bytes);
  }
}
