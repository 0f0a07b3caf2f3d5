import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { TestContext } from "node:test";
import { createImageId } from "../core/image-id.ts";
import { FileStorage } from "../storage/file-storage.ts";
import { createFakeClock } from "./fake-clock.ts";
import { createSampleImage } from "./sample-images.ts";

/** What the tests of `FileStorage` on a disk share. */
export const NOW_MS = Date.UTC(2026, 2, 1, 14, 35, 12, 345);
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const BYTES = createSampleImage(200);

export async function createFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "file-storage-"));
  t.after(async () => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface OpenedFiles {
  readonly storage: FileStorage;
  readonly root: string;
  /** Saves a small picture of this age and gives its id and path. */
  readonly save: (ageMs: number) => Promise<{ readonly id: string; readonly path: string }>;
}

export async function openFileStorage(t: TestContext): Promise<OpenedFiles> {
  const root = join(await createFolder(t), "root");
  const storage = openAnother(root);
  const save: OpenedFiles["save"] = async (ageMs) => {
    const id = createImageId(NOW_MS - ageMs);
    return { id, path: await storage.saveImage(BYTES, id, { prompt: "a cat" }) };
  };
  return { storage, root, save };
}

/** As another process has it: with nothing in memory. */
export function openAnother(root: string): FileStorage {
  return new FileStorage({ basePath: root, baseUrl: "", clock: createFakeClock({ nowMs: NOW_MS }) });
}

export function toRecordPath(imagePath: string): string {
  return imagePath.replace(/\.[a-z]+$/, ".json");
}

/** The files below the folder, by their relative paths. */
export async function listTree(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

export async function listIds(storage: FileStorage): Promise<string[]> {
  return (await storage.findImages({ limit: 1000 })).records.map((record) => record.image_id);
}
