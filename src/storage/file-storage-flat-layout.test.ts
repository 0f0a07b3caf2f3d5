import assert from "node:assert/strict";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BYTES, HOUR_MS, NOW_MS, listIds, listTree, openFileStorage } from "../testing/file-bench.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";

describe("FileStorage and files of the earlier flat layout", () => {
  const older = "0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11";
  const newer = "img_1b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d22";
  const bare = "2b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d33";

  /** `bare` has no record, and its file is the youngest of the three. */
  async function plant(root: string): Promise<void> {
    await mkdir(root, { recursive: true });
    for (const [id, ageMs] of [
      [older, 3 * HOUR_MS],
      [newer, 2 * HOUR_MS],
      [bare, HOUR_MS],
    ] as const) {
      const createdAt = new Date(NOW_MS - ageMs);
      await writeFile(join(root, `${id}.png`), BYTES);
      await utimes(join(root, `${id}.png`), createdAt, createdAt);
      if (id === bare) continue;
      await writeFile(join(root, `${id}.json`), JSON.stringify({ prompt: "old", created_at: createdAt.toISOString() }));
    }
    const garbled = join(root, "3b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d44.png");
    await writeFile(garbled, "this is no picture");
    await utimes(garbled, new Date(NOW_MS), new Date(NOW_MS));
  }

  it("reads them, and lists them behind the others, newest first", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    await plant(root);
    const { id } = await save(10 * HOUR_MS);
    assert.deepEqual(await listIds(storage), [id, bare, newer, older]);
    assertSameBytes(await storage.getImage(older), BYTES);
    const record = await storage.readRecord(newer);
    assert.equal(record?.["prompt"], "old");
    assert.equal(record?.created_at, new Date(NOW_MS - 2 * HOUR_MS).toISOString());
    assert.equal(record?.size, BYTES.length);
    assert.equal(await storage.getImageUrl(bare), `/images/${bare}`);
    assert.deepEqual((await storage.findImages({ prefix: "img_1b" })).records, [record]);
    const recent = await storage.findImages({ createdAfterMs: NOW_MS - 2 * HOUR_MS });
    assert.deepEqual(
      recent.records.map((each) => each.image_id),
      [bare],
    );
  });

  it("walks over them by cursor, also behind one that was deleted", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    await plant(root);
    const { id } = await save(0);
    const seen: string[] = [];
    let page = await storage.findImages({ limit: 1 });
    for (;;) {
      seen.push(...page.records.map((record) => record.image_id));
      if (page.nextCursor === undefined) break;
      if (page.nextCursor === newer) assert.equal(await storage.deleteImage(newer), true);
      page = await storage.findImages({ limit: 1, cursor: page.nextCursor });
    }
    assert.deepEqual(seen, [id, bare, newer, older]);
  });

  it("deletes and expires them with their records", async (t) => {
    const { storage, root } = await openFileStorage(t);
    await plant(root);
    assert.equal(await storage.deleteImage(bare), true);
    assert.equal(await storage.deleteImage(bare), false);
    assert.equal(await storage.cleanupExpiredImages(2.5 * 3600), 1);
    const left = ["3b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d44.png", `${newer}.json`, `${newer}.png`];
    assert.deepEqual(await listTree(root), left.sort());
  });
});
