import { IMAGE_FORMATS, PNG_SIGNATURE, type ImageFormat } from "../core/image-format.ts";

const MAGIC: Readonly<Record<ImageFormat, Uint8Array>> = {
  png: Uint8Array.from(PNG_SIGNATURE),
  jpeg: Uint8Array.of(0xff, 0xd8, 0xff),
  webp: Buffer.from("RIFF\0\0\0\0WEBP"),
};

export const SAMPLE_FORMATS = Object.keys(IMAGE_FORMATS).filter((key): key is ImageFormat => key in MAGIC);

/**
 * Bytes that begin as a picture of this format does, with content that depends on `seed`. Storages look no further;
 * it is not a picture that a viewer can show.
 */
export function createSampleImage(sizeBytes = 64, format: ImageFormat = "png", seed = 0): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let index = 0, state = seed + 1; index < sizeBytes; index++) {
    state = Math.imul(state, 1_103_515_245) + 12_345;
    bytes[index] = state >>> 16;
  }
  bytes.set(MAGIC[format].subarray(0, sizeBytes));
  return bytes;
}
