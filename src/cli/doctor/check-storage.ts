import { statfs } from "node:fs/promises";
import type { Settings } from "../../config/settings.ts";
import { systemClock } from "../../core/clock.ts";
import { MCPImageError } from "../../core/errors.ts";
import { createImageId } from "../../core/image-id.ts";
import { encodePng } from "../../core/png.ts";
import type { AbstractStorage } from "../../storage/abstract-storage.ts";
import { fail, ok, toFailure, warn, type Finding } from "./finding.ts";

/** statfs(2): the type of a file system that lives in memory. */
const TMPFS = 0x01_02_19_94;
const GIBIBYTE = 2 ** 30;

/** A full store has a remedy of its own. */
const REMEDIES: Readonly<Record<Settings["storage"]["backend"], string>> = {
  file: "STORAGE_PATH must be a folder that the user of the server may write to, on a volume that is there.",
  s3: "Check S3_BUCKET, S3_ENDPOINT_URL, AWS_REGION, the keys, and their rights, which docs/s3.md lists.",
};

/** Saves a picture, reads it back and deletes it, as a generation and its end do. */
export async function checkStorage(
  storage: AbstractStorage,
  backend: Settings["storage"]["backend"],
): Promise<Finding> {
  const imageId = createImageId(systemClock.nowMs());
  const picture = encodePng({ width: 1, height: 1, rgb: Uint8Array.of(1, 2, 3) });
  const startedAtMs = performance.now();
  try {
    await storage.checkHealth();
    await storage.saveImage(picture, imageId, { prompt: "doctor" });
    const bytes = await storage.getImage(imageId);
    const isDeleted = await storage.deleteImage(imageId);
    if (bytes?.equals(picture) !== true || !isDeleted) {
      const remedy = "Another program deletes there, or the store does not give back what it was given.";
      return fail("storage", "The picture came back changed, or not at all", remedy);
    }
    return ok("storage", `A picture was written, read and deleted (${Math.round(performance.now() - startedAtMs)} ms)`);
  } catch (error) {
    const failure = toFailure("storage", error);
    return isFull(error) ? failure : { ...failure, remedy: REMEDIES[backend] };
  }
}

function isFull(error: unknown): boolean {
  return error instanceof MCPImageError && error.code === "storage_full";
}

/** Whether the folder has room, and whether it outlives a restart of the machine. */
export async function checkDisk(path: string, images: Settings["images"]): Promise<Finding> {
  try {
    const { bavail, bsize, type } = await statfs(path);
    const freeBytes = bavail * bsize;
    const room = `${(freeBytes / GIBIBYTE).toFixed(1)} GiB are free at ${path}`;
    const remedy = "Free space, lower IMAGE_TTL, or give the volume more room.";
    if (freeBytes < images.maxSizeBytes) return fail("disk", `${room}: less than one picture`, remedy);
    if (freeBytes < GIBIBYTE) return warn("disk", room, remedy);
    if (type !== TMPFS) return ok("disk", room);
    return warn(
      "disk",
      `${path} is in memory`,
      "Set STORAGE_PATH to a folder on a disk to keep pictures over a restart.",
    );
  } catch (error) {
    return toFailure("disk", error);
  }
}
