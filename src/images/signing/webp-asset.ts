import type { Asset } from "@trustnxt/c2pa-ts/asset";
import { appendWebpChunk, findWebpChunk } from "../../core/webp-metadata.ts";

/** Of a chunk: its type and its length. */
const HEAD_BYTES = 8;

/** A WebP for the package c2pa-ts, which knows none: the manifest is its last chunk (C2PA 2.2, section A.3). */
export class WebpAsset implements Asset {
  readonly mimeType = "image/webp";
  #webp: Buffer;

  /** @param webp verified, and extended as metadata makes it */
  constructor(webp: Buffer) {
    this.#webp = webp;
  }

  getDataLength(): number {
    return this.#webp.length;
  }

  async getDataRange(start = 0, length = this.#webp.length): Promise<Uint8Array> {
    return this.#webp.subarray(start, start + length);
  }

  getManifestJUMBF(): Uint8Array | undefined {
    return findWebpChunk(this.#webp, "C2PA");
  }

  dumpInfo(): string {
    return "WebP file";
  }

  async ensureManifestSpace(length: number): Promise<void> {
    if (this.getManifestJUMBF()?.length === length) return;
    this.#webp = appendWebpChunk(this.#webp, "C2PA", Buffer.alloc(length));
  }

  getHashExclusionRange(): { start: number; length: number } {
    const { byteOffset, length } = this.#space();
    return { start: byteOffset - this.#webp.byteOffset - HEAD_BYTES, length: HEAD_BYTES + length + (length % 2) };
  }

  async writeManifestJUMBF(jumbf: Uint8Array): Promise<void> {
    this.#space().set(jumbf);
  }

  #space(): Uint8Array {
    const space = this.getManifestJUMBF();
    if (space === undefined) throw new TypeError("The WebP has no space for a manifest");
    return space;
  }
}
