import assert from "node:assert/strict";
import { mkdir, readdir, rename, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { describe, it } from "node:test";
import { createImageId } from "../core/image-id.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import {
  BYTES,
  HOUR_MS,
  NOW_MS,
  createFolder,
  listIds,
  listTree,
  openAnother,
  openFileStorage,
} from "../testing/file-bench.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";

describe("FileStorage.keepImage() on the disk", () => {
  it("moves both files below kept/, and back, and leaves no folder behind", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id } = await save(0);
    assert.equal(await storage.keepImage(id, true), true);
    const files = [`2026-03-01/14-30/${id}.json`, `2026-03-01/14-30/${id}.png`];
    assert.deepEqual(
      await listTree(root),
      files.map((file) => `kept/${file}`),
    );
    assert.equal(await storage.keepImage(id, false), true);
    assert.deepEqual(await listTree(root), files);
    assert.deepEqual(await readdir(root), ["2026-03-01"]);
    await storage.keepImage(id, true);
    assert.equal(await storage.deleteImage(id), true);
    assert.deepEqual(await listTree(root), []);
    assert.deepEqual(await readdir(root), ["2026-03-01"]);
  });

  it("is seen at once by another storage on the same folder", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const other = openAnother(root);
    const { id } = await save(2 * HOUR_MS);
    assert.equal((await other.readRecord(id))?.kept, undefined);
    await storage.keepImage(id, true);
    assert.equal((await other.readRecord(id))?.kept, true);
    assert.equal(await other.cleanupExpiredImages(3600), 0);
    assert.equal(await other.keepImage(id, false), true);
    assert.equal((await storage.readRecord(id))?.kept, undefined);
  });

  it("reads, and finishes, what a crash left in the middle, whichever way it went", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    for (const keep of [true, false]) {
      const { id, path } = await save(2 * HOUR_MS);
      await storage.keepImage(id, true);
      const keptPath = join(root, "kept", relative(root, path));
      if (keep) await rename(keptPath.replace(".png", ".json"), path.replace(".png", ".json"));
      else {
        await mkdir(dirname(path), { recursive: true });
        await rename(keptPath, path);
      }
      const other = openAnother(root);
      assertSameBytes(await other.getImage(id), BYTES);
      assert.equal((await other.readRecord(id))?.["prompt"], "a cat");
      assert.deepEqual(
        (await openAnother(root).findImages({ prefix: id })).records.map((record) => record["prompt"]),
        ["a cat"],
      );
      assert.equal(await other.keepImage(id, keep), true);
      const files = [".json", ".png"].map((end) => relative(root, (keep ? keptPath : path).replace(".png", end)));
      assert.deepEqual(await listTree(root), files);
      assert.equal(await other.deleteImage(id), true);
      assert.deepEqual(await listTree(root), []);
    }
  });

  it("leaves a record that a crash parted from its picture for the next cleanup to bring back", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id, path } = await save(2 * HOUR_MS);
    await storage.keepImage(id, true);
    const record = path.replace(".png", ".json");
    await rename(join(root, "kept", relative(root, record)), record);
    await utimes(record, 0, 0);
    assert.equal(await storage.cleanupExpiredImages(3600), 0);
    assert.equal((await openAnother(root).readRecord(id))?.["prompt"], "a cat");
    assert.deepEqual(
      await listTree(root),
      [record, path].map((file) => join("kept", relative(root, file))),
    );
  });

  it("deletes the record wherever it is", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id, path } = await save(0);
    await storage.keepImage(id, true);
    const record = path.replace(".png", ".json");
    await rename(join(root, "kept", relative(root, record)), record);
    assert.equal(await storage.deleteImage(id), true);
    assert.deepEqual(await listTree(root), []);
  });

  it("keeps files of the flat layout, in their place of a listing", async (t) => {
    const { storage, root } = await openFileStorage(t);
    const [older, newer] = ["0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11", "img_1b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d22"];
    await mkdir(root, { recursive: true });
    for (const [id, ageMs] of [
      [older, 3 * HOUR_MS],
      [newer, 2 * HOUR_MS],
    ] as const) {
      await writeFile(join(root, `${id}.png`), BYTES);
      await writeFile(
        join(root, `${id}.json`),
        JSON.stringify({ prompt: "old", created_at: new Date(NOW_MS - ageMs).toISOString() }),
      );
    }
    assert.equal(await storage.keepImage(older, true), true);
    assert.deepEqual(await listIds(storage), [newer, older]);
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
    assert.deepEqual(await listTree(root), [`kept/${older}.json`, `kept/${older}.png`]);
    const page = await storage.findImages({ createdAfterMs: NOW_MS });
    assert.deepEqual(
      page.records.map((record) => [record.image_id, record.kept, record["prompt"]]),
      [[older, true, "old"]],
    );
  });

  it("sweeps what crashes left among kept pictures", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id, path } = await save(30 * HOUR_MS);
    await storage.keepImage(id, true);
    const folder = join(root, "kept", relative(root, dirname(path)));
    const leftover = join(folder, `${createImageId(NOW_MS - 30 * HOUR_MS)}.json`);
    await writeFile(leftover, "{}");
    await utimes(leftover, 0, 0);
    assert.equal(await storage.cleanupExpiredImages(3600), 0);
    assert.deepEqual(await readdir(folder), [`${id}.json`, `${id}.png`]);
  });

  it("follows no link in the place of kept/", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id } = await save(0);
    const outside = await createFolder(t);
    await symlink(outside, join(root, "kept"));
    await assert.rejects(storage.keepImage(id, true), isErrorWithCode("storage_unavailable"));
    assert.deepEqual(await readdir(outside), []);
    assert.deepEqual(await listIds(storage), [id]);
    assert.equal(await storage.readRecord(createImageId(NOW_MS)), undefined);
  });
});
