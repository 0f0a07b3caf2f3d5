import { statfs } from "node:fs/promises";
import type { Settings } from "../../config/settings.ts";
import { systemClock } from "../../core/clock.ts";
import { createImageId } from "../../core/image-id.ts";
import { encodePng } from "../../core/png.ts";
import type { AbstractStorage } from "../../storage/abstract-storage.ts";
import { fail, ok, toFailure, warn, type Finding } from "./finding.ts";

/** statfs(2): the type of a file system that lives in memory. */
const TMPFS = 0x01_02_19_94;
const GIBIBYTE = 2 ** 30;

/** Saves a picture, reads it back and deletes it, as a generation and its end do. */
export async function checkStorage(storage: AbstractStorage): Promise<Finding> {
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
    return toFailure("storage", error);
  }
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
