import type { ImageFormat } from "./image-format.ts";
import { isSignedJpeg } from "./jpeg-metadata.ts";
import { hasChunkBeforePixels } from "./png.ts";
import { findWebpChunk } from "./webp-metadata.ts";

/** Whether a verified picture carries a C2PA manifest, where C2PA 2.2, section A.3 puts it; says nothing of its worth. */
export function isSigned(format: ImageFormat, picture: Buffer): boolean {
  switch (format) {
    case "png":
      return hasChunkBeforePixels(picture, "caBX");
    case "jpeg":
      return isSignedJpeg(picture);
    case "webp":
      return findWebpChunk(picture, "C2PA") !== undefined;
  }
}
