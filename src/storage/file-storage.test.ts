import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { describe, it } from "node:test";
import { createImageId } from "../core/image-id.ts";
import {
  BYTES,
  HOUR_MS,
  MINUTE_MS,
  NOW_MS,
  createFolder,
  listIds,
  listTree,
  openFileStorage,
  toRecordPath,
} from "../testing/file-bench.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";
import { testStorage } from "../testing/test-storage.ts";
import { watchFileSystem, type FileSystemCall } from "../testing/watched-file-system.ts";
import { FileStorage } from "./file-storage.ts";

testStorage(
  "FileStorage",
  async ({ clock, limits, baseUrl, test }) =>
    new FileStorage({ basePath: join(await createFolder(test), "a", "b"), baseUrl, clock, limits }),
  { holdsLimits: true },
);

// Proves: STORAGE-7, STORAGE-13
describe("FileStorage on the disk", () => {
  it("keeps a picture beside its record in a folder of ten minutes, and nothing else", async (t) => {
    const { storage, root } = await openFileStorage(t);
    const expected: string[] = [];
    for (const [format, extension] of [
      ["png", "png"],
      ["jpeg", "jpg"],
      ["webp", "webp"],
    ] as const) {
      const id = createImageId(NOW_MS);
      const path = await storage.saveImage(createSampleImage(100, format), id, { prompt: "a 🐈" });
      assert.equal(path, join(root, "2026-03-01", "14-30", `${id}.${extension}`));
      assertSameBytes(await readFile(path), createSampleImage(100, format));
      const record: unknown = JSON.parse(await readFile(join(dirname(path), `${id}.json`), "utf8"));
      assert.deepEqual(record, await storage.readRecord(id));
      expected.push(`2026-03-01/14-30/${id}.${extension}`, `2026-03-01/14-30/${id}.json`);
    }
    assert.deepEqual(await listTree(root), expected.sort());
  });

  it("leaves nothing behind after deletions, a health check and a cleanup", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id } = await save(0);
    await save(2 * HOUR_MS);
    await storage.checkHealth();
    assert.equal(await storage.deleteImage(id), true);
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
    assert.deepEqual(await listTree(root), []);
    assert.deepEqual(await readdir(root), ["2026-03-01"]);
    assert.deepEqual(await readdir(join(root, "2026-03-01")), ["14-30"]);
  });

  it("sees at once what another storage on the same folder saved and deleted", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const other = new FileStorage({ basePath: root, baseUrl: "" });
    const { id } = await save(0);
    assert.equal((await other.readRecord(id))?.image_id, id);
    assert.equal(await other.deleteImage(id), true);
    assert.equal(await storage.readRecord(id), undefined);
    assert.equal(await storage.getImage(id), undefined);
    assert.deepEqual(await listIds(storage), []);
  });

  it("serves a picture whose record is missing, broken or of another picture", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const wholes = await Promise.all([save(0), save(1), save(2), save(3)]);
    const texts = [undefined, "", '{"image_id":', (await readFile(toRecordPath(wholes[0].path))).toString()];
    for (const [index, { path }] of wholes.entries()) {
      const text = texts[index];
      if (text === undefined) await rm(toRecordPath(path));
      else await writeFile(toRecordPath(path), text);
    }
    const fresh = new FileStorage({ basePath: root, baseUrl: "" });
    assert.deepEqual(
      await listIds(fresh),
      wholes.map(({ id }) => id),
    );
    for (const { id } of wholes) {
      const expected = await storage.readRecord(id);
      const image = await fresh.readImage(id);
      assertSameBytes(image?.imageData, BYTES);
      for (const key of ["image_id", "created_at", "size", "format", "sha256"]) {
        assert.equal(image?.record[key], expected?.[key]);
      }
    }
  });

  it("never shows a picture that is not as long as its record says", async (t) => {
    const { root, save } = await openFileStorage(t);
    const [whole, half, empty] = await Promise.all([save(0), save(1), save(2)]);
    await truncate(half.path, 100);
    await truncate(empty.path, 0);
    const fresh = new FileStorage({ basePath: root, baseUrl: "" });
    for (const { id } of [half, empty]) {
      assert.equal(await fresh.getImage(id), undefined);
      assert.equal(await fresh.readRecord(id), undefined);
    }
    assert.deepEqual(await listIds(fresh), [whole.id]);
  });

  it("ignores records without a picture, temporary files, strays and folders in wrong places", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id, path } = await save(0);
    const folder = dirname(path);
    const strayId = createImageId(NOW_MS - HOUR_MS);
    await writeFile(join(folder, `${createImageId(NOW_MS)}.json`), "{}");
    await writeFile(join(folder, `.mcp-image-${"0".repeat(24)}.tmp`), BYTES);
    await writeFile(join(folder, `${strayId}.png`), BYTES);
    await writeFile(join(root, `${strayId}.png`), BYTES);
    await writeFile(join(folder, "notes.png"), BYTES);
    await mkdir(join(folder, `${createImageId(NOW_MS)}.png`));
    for (const name of ["2026-02-31", "2026-3-1", "lost+found", "2026-03-02/14-35", "2026-03-02/24-00"]) {
      await mkdir(join(root, name), { recursive: true });
      await writeFile(join(root, name, `${strayId}.png`), BYTES);
    }
    assert.deepEqual(await listIds(storage), [id]);
    assert.equal(await storage.readRecord(strayId), undefined);
  });

  it("keeps and lists a picture of the year 10889, the last that an id can name", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id } = await save(0);
    const last = createImageId(2 ** 48 - 1);
    assert.equal(relative(root, await storage.saveImage(BYTES, last, {})), `+010889-08-02/05-30/${last}.png`);
    assert.deepEqual(await listIds(storage), [last, id]);
    assert.equal(await storage.cleanupExpiredImages(0), 0);
  });
});

// Proves: STORAGE-9
describe("FileStorage.findImages() on the disk", () => {
  it("reads only the folders that the page needs, and cached records not at all", async (t) => {
    const { root, save } = await openFileStorage(t);
    for (let hour = 0; hour < 30; hour++) await save(hour * HOUR_MS);
    const storage = new FileStorage({ basePath: root, baseUrl: "" });
    await storage.findImages({ limit: 1 });
    const calls: FileSystemCall[] = [];
    watchFileSystem(t, (call) => calls.push(call));
    const first = await storage.findImages({ limit: 2 });
    assert.equal(calls.filter(({ name }) => name === "readdir").length, 5); // root, day, and 3 slots
    assert.equal(calls.filter(({ name }) => name === "open").length, 1);
    calls.length = 0;
    assert.deepEqual(await storage.findImages({ limit: 2 }), first);
    assert.deepEqual(new Set(calls.map(({ name }) => name)), new Set(["readdir"]));
    calls.length = 0;
    const prefix = createImageId(NOW_MS - 20 * HOUR_MS).slice(0, 10);
    assert.equal((await storage.findImages({ prefix })).records.length, 1);
    assert.equal(calls.filter(({ name }) => name === "readdir").length <= 5, true);
    calls.length = 0;
    await storage.findImages({ createdAfterMs: NOW_MS + MINUTE_MS * 10 });
    await storage.findImages({ prefix: "../" });
    assert.deepEqual(new Set(calls.map(({ name }) => name)), new Set(["readdir"]));
    assert.equal(calls.length, 2);
  });
});

describe("FileStorage.cleanupExpiredImages() on the disk", () => {
  it("begins no more than 16 deletions, or one folder, once its budget is over", async (t) => {
    const { storage, save } = await openFileStorage(t);
    for (let index = 0; index < 20; index++) await save(2 * HOUR_MS);
    for (let index = 0; index < 3; index++) await save(5 * HOUR_MS + index * 30 * 60_000);
    const counts: number[] = [];
    for (let run = 0; run < 6; run++) counts.push(await storage.cleanupExpiredImages(3600, { budgetMs: 0 }));
    assert.deepEqual(counts, [1, 1, 1, 16, 4, 0]);
  });

  it("neither reads nor asks after any picture", async (t) => {
    const { storage, save } = await openFileStorage(t);
    for (let index = 0; index < 10; index++) await save(2 * HOUR_MS + index * 5 * MINUTE_MS);
    await save(0);
    const calls: FileSystemCall[] = [];
    watchFileSystem(t, (call) => calls.push(call));
    assert.equal(await storage.cleanupExpiredImages(3600), 10);
    assert.deepEqual(new Set(calls.map(({ name }) => name)), new Set(["readdir", "unlink", "rmdir"]));
    calls.length = 0;
    assert.equal(await storage.cleanupExpiredImages(3600), 0);
    assert.deepEqual(
      calls.map(({ name, paths }) => `${name} ${basename(paths[0] ?? "")}`),
      ["readdir root", "readdir 2026-03-01", "readdir 2026-03-01"],
    );
  });

  it("leaves foreign files and their folders alone", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { path } = await save(30 * HOUR_MS);
    const foreign = [
      join(dirname(path), "notes.txt"),
      join(dirname(path), "img_x.png"),
      join(dirname(path), ".hidden.tmp"),
      join(dirname(path), `${createImageId(NOW_MS)}.png`),
      join(root, "2020-01-01", "readme.md"),
      join(root, "2020-01-01", "00-05", `${createImageId(Date.UTC(2020, 0, 1, 0, 5))}.png`),
      join(root, "other", "00-00", "a.png"),
      join(root, "index.html"),
      join(root, `${createImageId(0)}.png`),
    ];
    for (const file of foreign) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, BYTES);
      await utimes(file, 0, 0);
    }
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
    assert.equal(await storage.cleanupExpiredImages(0), 0);
    assert.deepEqual(await listTree(root), foreign.map((file) => relative(root, file)).sort());
  });

  it("sweeps what crashes left, when it is old", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id, path } = await save(HOUR_MS);
    const [old, young] = [NOW_MS / 1000 - 601, NOW_MS / 1000 - 590];
    const files = new Map([
      [join(dirname(path), `.mcp-image-${"a".repeat(24)}.tmp`), old],
      [join(dirname(path), `.mcp-image-${"b".repeat(24)}.tmp`), young],
      [join(dirname(path), `${createImageId(NOW_MS - HOUR_MS)}.json`), old],
      [join(dirname(path), `${createImageId(NOW_MS - HOUR_MS)}.json`), young],
      [join(root, `.mcp-image-${"c".repeat(24)}.tmp`), old],
      [join(dirname(path), ".other.tmp"), old],
      [join(root, "settings.json"), old],
      [toRecordPath(path), old],
    ]);
    for (const [file, seconds] of files) {
      if (file !== toRecordPath(path)) await writeFile(file, "{}");
      await utimes(file, seconds, seconds);
    }
    assert.equal(await storage.cleanupExpiredImages(86_400), 0);
    const kept = [...files].filter(([file, seconds]) => seconds === young || /other|settings/.test(file));
    const expected = [path, toRecordPath(path), ...kept.map(([file]) => file)];
    assert.deepEqual(await listTree(root), expected.map((file) => relative(root, file)).sort());
    assert.equal((await storage.readRecord(id))?.image_id, id);
  });

  it("sweeps many young folders in turns", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    for (let index = 0; index < 20; index++) {
      const { path } = await save(HOUR_MS + index * 10 * MINUTE_MS);
      const leftover = join(dirname(path), `.mcp-image-${"d".repeat(24)}.tmp`);
      await writeFile(leftover, "");
      await utimes(leftover, 0, 0);
    }
    const left: number[] = [];
    for (let run = 0; run < 4; run++) {
      assert.equal(await storage.cleanupExpiredImages(86_400), 0);
      left.push((await listTree(root)).filter((file) => file.endsWith(".tmp")).length);
    }
    assert.deepEqual(left, [12, 4, 0, 0]);
  });
});
