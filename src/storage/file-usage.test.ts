import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { createImageId } from "../core/image-id.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { watchFileSystem, type FileSystemCall } from "../testing/watched-file-system.ts";
import { FileStorage } from "./file-storage.ts";

const NOW_MS = Date.UTC(2026, 2, 1, 14, 35);
const HOUR_MS = 3_600_000;

test("FileStorage counts each folder once, what others did to it again, and looks into no other", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "file-usage-"));
  t.after(async () => rm(root, { recursive: true, force: true }));
  const clock = createFakeClock({ nowMs: NOW_MS });
  const open = (): FileStorage => new FileStorage({ basePath: root, baseUrl: "", clock });
  const [storage, other] = [open(), open()];
  const paths: string[] = [];
  for (let hour = 0; hour < 20; hour++) {
    paths.push(await other.saveImage(createSampleImage(1000), createImageId(NOW_MS - hour * HOUR_MS), {}));
  }
  for (const path of paths) await utimes(dirname(path), 1_000_000, 1_000_000); // long ago, as far as the folder tells
  const first = await storage.measureUsage();
  assert.equal(first.images, 20);
  assert.equal(first.bytes > 20 * 1000 && first.bytes < 20 * 1400, true);

  const calls: FileSystemCall[] = [];
  watchFileSystem(t, (call) => calls.push(call));
  assert.deepEqual(await storage.measureUsage(), first);
  const count = (name: string): number => calls.filter((call) => call.name === name).length;
  const days = (await readdir(root)).length;
  assert.equal(count("lstat"), 21); // a folder each, and the root
  assert.equal(count("readdir"), days + 2); // the days, the root, and the root of this test
  calls.length = 0;
  assert.equal(await other.deleteImage(createImageId(0)), false);
  await other.saveImage(createSampleImage(1000), createImageId(NOW_MS - 3 * HOUR_MS), {});
  calls.length = 0;
  const second = await storage.measureUsage();
  assert.equal(second.images, 21);
  assert.equal(count("lstat"), 21 + 4); // two pictures and their records
});
