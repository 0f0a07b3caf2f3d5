import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isErrorWithCode } from "./error-with-code.ts";
import { createSampleImage } from "./sample-images.ts";
import type { OpenedStorage, StorageSuite } from "./test-storage.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What `cleanupExpiredImages` promises. */
export function testCleaning({ openStorage, countsDeletesExactly }: StorageSuite): void {
  // Proves: STORAGE-6
  describe("cleanupExpiredImages()", () => {
    it("deletes what is older than the TTL, to the millisecond", async (t) => {
      const opened = await openStorage(t);
      await save(opened, [HOUR_MS + 1, HOUR_MS + MINUTE_MS, DAY_MS, 40 * DAY_MS]);
      const kept = await save(opened, [HOUR_MS, HOUR_MS - 1, 0, -DAY_MS]);
      assert.equal(await opened.storage.cleanupExpiredImages(3600), 4);
      assert.deepEqual(await findIds(opened), kept.toSorted());
      assert.equal(await opened.storage.cleanupExpiredImages(3600), 0);
      for (const id of kept) assert.equal((await opened.storage.readRecord(id))?.image_id, id);
    });

    it("deletes more as time goes on", async (t) => {
      const opened = await openStorage(t);
      const [older, younger] = await save(opened, [MINUTE_MS, 0]);
      assert.equal(await opened.storage.cleanupExpiredImages(120), 0);
      await opened.clock.advance(MINUTE_MS + 1);
      assert.equal(await opened.storage.cleanupExpiredImages(120), 1);
      assert.equal(await opened.storage.getImage(older ?? ""), undefined);
      assert.deepEqual(await findIds(opened), [younger]);
      await opened.clock.advance(DAY_MS);
      assert.equal(await opened.storage.cleanupExpiredImages(120), 1);
      assert.deepEqual(await findIds(opened), []);
    });

    it("deletes everything of the past when the TTL is 0", async (t) => {
      const opened = await openStorage(t);
      await save(opened, [1, 2, MINUTE_MS]);
      const kept = await save(opened, [0, -1]);
      assert.equal(await opened.storage.cleanupExpiredImages(0), 3);
      assert.deepEqual(await findIds(opened), kept.toSorted());
    });

    it("finds nothing to do in an empty storage", async (t) => {
      const { storage } = await openStorage(t);
      assert.equal(await storage.cleanupExpiredImages(0), 0);
    });

    it("refuses a TTL that is no time", async (t) => {
      const opened = await openStorage(t);
      const kept = await save(opened, [MINUTE_MS, -MINUTE_MS]);
      for (const ttlSeconds of [-1, -Infinity, Number.NaN]) {
        await assert.rejects(opened.storage.cleanupExpiredImages(ttlSeconds), isErrorWithCode("invalid_argument"));
      }
      assert.equal(await opened.storage.cleanupExpiredImages(Number.POSITIVE_INFINITY), 0);
      assert.deepEqual(await findIds(opened), kept.toSorted());
    });

    it("may run four times at once", async (t) => {
      const opened = await openStorage(t);
      await save(
        opened,
        Array.from({ length: 120 }, (_, index) => HOUR_MS + index * 31_000 + 1),
      );
      const kept = await save(opened, [0, HOUR_MS]);
      const counts = await Promise.all([1, 2, 3, 4].map(async () => opened.storage.cleanupExpiredImages(3600)));
      const sum = counts.reduce((total, count) => total + count, 0);
      if (countsDeletesExactly) assert.equal(sum, 120);
      else assert.equal(sum >= 120, true);
      assert.deepEqual(await findIds(opened), kept.toSorted());
    });

    it("may run while others save and list, and takes nothing fresh", async (t) => {
      const opened = await openStorage(t);
      await save(
        opened,
        Array.from({ length: 60 }, (_, index) => HOUR_MS + index * MINUTE_MS + 1),
      );
      const fresh = Array.from({ length: 60 }, (_, index) => opened.createIdOfAge(HOUR_MS - index * MINUTE_MS));
      const saving = Promise.all(fresh.map(async (id) => opened.storage.saveImage(createSampleImage(), id, {})));
      const cleaning = Promise.all([1, 2].map(async () => opened.storage.cleanupExpiredImages(3600)));
      const listing = Promise.all([1, 2, 3].map(async () => opened.storage.findImages()));
      await Promise.all([saving, cleaning, listing]);
      await opened.storage.cleanupExpiredImages(3600);
      assert.deepEqual(await findIds(opened), fresh.toSorted());
    });

    it("ends when its budget is over, having got on, and the next run goes on", async (t) => {
      const opened = await openStorage(t);
      await save(
        opened,
        Array.from({ length: 60 }, (_, index) => HOUR_MS + index * 7 * MINUTE_MS + 1),
      );
      const [kept] = await save(opened, [0]);
      const counts: number[] = [];
      do counts.push(await opened.storage.cleanupExpiredImages(3600, { budgetMs: 0 }));
      while (counts.at(-1) !== 0);
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        60,
      );
      assert.deepEqual(await findIds(opened), [kept]);
    });

    it("can be aborted on its way, and finished by the next run", async (t) => {
      const opened = await openStorage(t);
      await save(
        opened,
        Array.from({ length: 60 }, (_, index) => HOUR_MS + index * 7 * MINUTE_MS + 1),
      );
      const [kept] = await save(opened, [0]);
      const reason = new Error("shutting down");
      for (let turns = 0; turns < 5; turns++) {
        const controller = new AbortController();
        const cleaning = opened.storage
          .cleanupExpiredImages(3600, { signal: controller.signal })
          .catch((error) => error);
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        controller.abort(reason);
        const outcome = await cleaning;
        assert.equal(outcome === reason || typeof outcome === "number", true, String(outcome));
      }
      await opened.storage.cleanupExpiredImages(3600);
      assert.deepEqual(await findIds(opened), [kept]);
    });
  });
}

async function save(opened: OpenedStorage, agesMs: readonly number[]): Promise<string[]> {
  const ids = agesMs.map(opened.createIdOfAge);
  for (let start = 0; start < ids.length; start += 25) {
    const batch = ids.slice(start, start + 25);
    await Promise.all(batch.map(async (id) => opened.storage.saveImage(createSampleImage(), id, {})));
  }
  return ids;
}

/** Oldest first. */
async function findIds({ storage }: OpenedStorage): Promise<string[]> {
  return (await storage.findImages({ limit: 1000 })).records.map((record) => record.image_id).toSorted();
}
