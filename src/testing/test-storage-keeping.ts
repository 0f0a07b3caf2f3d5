import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AbstractStorage } from "../storage/abstract-storage.ts";
import { HOSTILE_IDS } from "./hostile-ids.ts";
import { createSampleImage } from "./sample-images.ts";
import { assertSameBytes } from "./same-bytes.ts";
import type { StorageSuite } from "./test-storage.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What `keepImage` promises. */
export function testKeeping({ openStorage }: StorageSuite): void {
  // Proves: STORAGE-17
  describe("keepImage()", () => {
    it("keeps a picture from cleanup until it is released", async (t) => {
      const opened = await openStorage(t);
      const { storage } = opened;
      const bytes = createSampleImage(5000);
      const [kept, gone] = [opened.createIdOfAge(2 * DAY_MS), opened.createIdOfAge(2 * DAY_MS)];
      for (const id of [kept, gone]) await storage.saveImage(bytes, id, { prompt: "a cat" });
      assert.equal(await storage.keepImage(kept, true), true);
      assert.equal(await storage.cleanupExpiredImages(3600), 1);
      assert.equal(await storage.cleanupExpiredImages(0), 0);
      assertSameBytes(await storage.getImage(kept), bytes);
      assert.equal(await storage.getImage(gone), undefined);
      assert.equal(await storage.keepImage(kept, false), true);
      assertSameBytes(await storage.getImage(kept), bytes);
      assert.equal(await storage.cleanupExpiredImages(3600), 1);
      assert.equal(await storage.getImage(kept), undefined);
      assert.deepEqual(await storage.findImages(), { records: [] });
    });

    it("says false for a picture that is not there", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const deleted = createIdOfAge(0);
      await storage.saveImage(createSampleImage(), deleted, {});
      await storage.keepImage(deleted, true);
      assert.equal(await storage.deleteImage(deleted), true);
      for (const id of [deleted, createIdOfAge(0), ...HOSTILE_IDS]) {
        assert.equal(await storage.keepImage(id, true), false, id.slice(0, 60));
        assert.equal(await storage.keepImage(id, false), false, id.slice(0, 60));
      }
      assert.deepEqual(await storage.findImages(), { records: [] });
    });

    it("may be called again, and changes nothing then", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      await storage.saveImage(createSampleImage(), id, { n: 1 });
      const record = await storage.readRecord(id);
      assert.equal(await storage.keepImage(id, false), true);
      assert.deepEqual(await storage.readRecord(id), record);
      for (let turn = 0; turn < 2; turn++) assert.equal(await storage.keepImage(id, true), true);
      assert.deepEqual(await storage.readRecord(id), { ...record, kept: true });
      for (let turn = 0; turn < 2; turn++) assert.equal(await storage.keepImage(id, false), true);
      assert.deepEqual(await storage.readRecord(id), record);
    });

    it("tells with each read that a picture is kept, whatever its metadata says", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const [kept, other] = [createIdOfAge(1), createIdOfAge(0)];
      const noise = createSampleImage(9000, "png", 7).toString("base64");
      for (const id of [kept, other]) await storage.saveImage(createSampleImage(), id, { kept: true, noise });
      assert.equal((await storage.readRecord(kept))?.kept, undefined);
      await storage.keepImage(kept, true);
      assert.equal((await storage.readRecord(kept))?.kept, true);
      assert.equal((await storage.readImage(kept))?.record.kept, true);
      assert.equal((await storage.readRecord(kept))?.["noise"], noise);
      assert.deepEqual(
        (await storage.findImages()).records.map((record) => [record.image_id, record.kept]),
        [
          [other, undefined],
          [kept, true],
        ],
      );
    });

    it("keeps the place in a listing, which createdAfterMs does not end for it", async (t) => {
      const opened = await openStorage(t);
      const ages = [0, 5 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS, DAY_MS, DAY_MS + 1, 3 * DAY_MS, 40 * DAY_MS];
      const ids = await Promise.all(
        ages.map(async (ageMs) => {
          const id = opened.createIdOfAge(ageMs);
          await opened.storage.saveImage(createSampleImage(), id, {});
          return id;
        }),
      );
      const kept = ids.filter((_, index) => index % 2 === 1);
      for (const id of kept) await opened.storage.keepImage(id, true);
      for (const limit of [1, 2, 3, 8]) {
        assert.deepEqual(await walk(opened.storage, limit), ids, `limit ${limit}`);
        const createdAfterMs = opened.clock.nowMs() - 2 * HOUR_MS;
        assert.deepEqual(
          await walk(opened.storage, limit, createdAfterMs),
          [ids[0], ids[1], ids[2], ...kept.slice(1)],
          `limit ${limit}`,
        );
      }
      const prefix = kept.at(-1) ?? "";
      assert.deepEqual(
        (await opened.storage.findImages({ prefix })).records.map((record) => record.image_id),
        [prefix],
      );
    });

    it("can be called by many at once, for and against", async (t) => {
      const opened = await openStorage(t);
      const bytes = createSampleImage(50_000);
      for (let round = 0; round < 8; round++) {
        const id = opened.createIdOfAge(2 * HOUR_MS);
        await opened.storage.saveImage(bytes, id, {});
        const keeping = Array.from({ length: 4 }, async () => opened.storage.keepImage(id, true));
        const [answers, read] = await Promise.all([Promise.all(keeping), opened.storage.getImage(id)]);
        assert.deepEqual(new Set(answers), new Set([true]));
        assertSameBytes(read, bytes);
        assert.equal(await opened.storage.cleanupExpiredImages(3600), 0);
        assert.equal((await opened.storage.findImages({ prefix: id })).records.length, 1);
      }
    });

    it("meets readers: each gets the whole picture, wherever it is just then", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const bytes = createSampleImage(20_000);
      const id = createIdOfAge(0);
      await storage.saveImage(bytes, id, {});
      for (let round = 0; round < 20; round++) {
        const reads = Array.from({ length: 4 }, async () => storage.getImage(id));
        const [isMoved, ...read] = await Promise.all([storage.keepImage(id, round % 2 === 0), ...reads]);
        assert.equal(isMoved, true);
        for (const each of read) assertSameBytes(each, bytes);
      }
    });

    it("loses no picture that is kept and released at once", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const bytes = createSampleImage(20_000);
      for (let round = 0; round < 16; round++) {
        const id = createIdOfAge(0);
        await storage.saveImage(bytes, id, { round });
        const moves = Array.from({ length: 6 }, async (_, index) => storage.keepImage(id, index % 2 === round % 2));
        assert.deepEqual(new Set(await Promise.all(moves)), new Set([true]));
        assertSameBytes(await storage.getImage(id), bytes);
        assert.equal((await storage.readRecord(id))?.["round"], round);
        assert.equal((await storage.findImages({ prefix: id })).records.length, 1);
        if (round % 2 === 0) await storage.deleteImage(id); // what holds kept pictures may come and go, too
      }
    });

    it("meets a cleanup: a picture that was promised to be kept stays whole", async (t) => {
      const opened = await openStorage(t);
      const bytes = createSampleImage(20_000);
      for (let round = 0; round < 8; round++) {
        const id = opened.createIdOfAge(2 * HOUR_MS + round);
        await opened.storage.saveImage(bytes, id, {});
        const [isKept] = await Promise.all([
          opened.storage.keepImage(id, true),
          opened.storage.cleanupExpiredImages(3600),
        ]);
        await opened.storage.cleanupExpiredImages(3600);
        const read = await opened.storage.getImage(id);
        assert.equal(read !== undefined, isKept);
        if (isKept) assertSameBytes(read, bytes);
      }
    });
  });
}

async function walk(storage: AbstractStorage, limit: number, createdAfterMs?: number): Promise<string[]> {
  const seen: string[] = [];
  const query = { limit, ...(createdAfterMs !== undefined && { createdAfterMs }) };
  let page = await storage.findImages(query);
  for (;;) {
    seen.push(...page.records.map((record) => record.image_id));
    if (page.nextCursor === undefined) return seen;
    page = await storage.findImages({ ...query, cursor: page.nextCursor });
  }
}
