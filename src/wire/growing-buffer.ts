/** Bytes that arrive piece by piece, in one allocation that doubles when it is full. */
export class GrowingBuffer {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What has arrived; a view, valid until the next append. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  append(chunk: Uint8Array): void {
    this.#reserve(chunk.length);
    this.#buffer.set(chunk, this.#length);
    this.#length += chunk.length;
  }

  /** Decodes base64 behind the end and gives how many of the `expectedBytes` it wrote. */
  appendBase64(text: string, expectedBytes: number): number {
    this.#reserve(expectedBytes);
    const written = this.#buffer.write(text, this.#length, "base64");
    this.#length += written;
    return written;
  }

  /** Forgets what lies behind `length`. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.bytes);
    this.#buffer = larger;
  }
}
