import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isErrorWithCode } from "./error-with-code.ts";
import { createSampleImage } from "./sample-images.ts";
import type { OpenedStorage, StorageSuite } from "./test-storage.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const PICTURE_BYTES = 100_000;
/** Room for ten pictures, but not for their records beside them in all stores: nine fit everywhere. */
const MAX_BYTES = 10 * PICTURE_BYTES;
const ROOM = { maxBytes: MAX_BYTES, reservedBytes: PICTURE_BYTES };

/** What a store promises that is made with limits. */
export function testLimits({ openStorage, holdsLimits }: StorageSuite): void {
  describe("limits", { skip: !holdsLimits && "this storage has no limits" }, () => {
    it("refuses what does not fit, before it is drawn and when it is saved, and takes it once there is room", async (t) => {
      const opened = await openStorage(t, ROOM);
      const { storage } = opened;
      const ids = await save(opened, 9, 3 * HOUR_MS);
      const more = async (): Promise<unknown> =>
        storage.storeImage(createSampleImage(2 * PICTURE_BYTES), opened.createIdOfAge(0), {});
      await assert.rejects(more(), isErrorWithCode("storage_full"));
      using _held = await openHeld(opened);
      await assert.rejects(storage.reserveRoom(), isErrorWithCode("storage_full"));
      assert.equal((await storage.findImages()).records.length, 9);
      await opened.clock.advance(MINUTE_MS);
      for (const id of ids.slice(0, 3)) await storage.deleteImage(id);
      (await storage.reserveRoom())[Symbol.dispose]();
      await more();
      assert.equal((await storage.findImages()).records.length, 7);
    });

    it("holds the room of jobs that draw until they let it go", async (t) => {
      const { storage } = await openStorage(t, ROOM);
      const held = await Promise.all(Array.from({ length: 10 }, async () => storage.reserveRoom()));
      await assert.rejects(storage.reserveRoom(), isErrorWithCode("storage_full"));
      held[0]?.[Symbol.dispose]();
      held[0]?.[Symbol.dispose]();
      (await storage.reserveRoom())[Symbol.dispose]();
      for (const each of held) each[Symbol.dispose]();
      for (const each of await Promise.all(held.map(async () => storage.reserveRoom()))) each[Symbol.dispose]();
    });

    it("lets no burst of saves exceed them", async (t) => {
      const opened = await openStorage(t, ROOM);
      const saving = Array.from({ length: 20 }, async (_, index) =>
        opened.storage.storeImage(createSampleImage(PICTURE_BYTES), opened.createIdOfAge(index), {}),
      );
      const saved = (await Promise.allSettled(saving)).filter((result) => result.status === "fulfilled");
      assert.equal(saved.length === 9 || saved.length === 10, true, `${saved.length} saved`);
    });

    it("makes room by the oldest pictures when it may, but never by kept ones", async (t) => {
      const opened = await openStorage(t, { ...ROOM, whenFull: "evict_oldest" });
      const { storage } = opened;
      const ids = await save(opened, 9, 3 * HOUR_MS);
      await storage.keepImage(ids[0] ?? "", true);
      const fresh = await save(opened, 3, MINUTE_MS);
      const left = (await storage.findImages()).records.map((record) => record.image_id);
      assert.equal(left.length === 9 || left.length === 10, true);
      assert.equal(left.includes(ids[0] ?? ""), true);
      for (const id of fresh) assert.equal(left.includes(id), true);
      assert.equal(left.includes(ids[1] ?? ""), false);
      assert.deepEqual(left.toSorted(), [ids[0], ...[...ids.slice(1), ...fresh].slice(1 - left.length)]);
      const usage = await storage.measureUsage();
      assert.equal((usage?.bytes ?? Infinity) <= MAX_BYTES, true);
      assert.equal(usage?.evictedImages, 12 - left.length);
    });

    it("refuses all the same when everything is kept", async (t) => {
      const opened = await openStorage(t, { ...ROOM, whenFull: "evict_oldest" });
      for (const id of await save(opened, 9, HOUR_MS)) await opened.storage.keepImage(id, true);
      const saving = opened.storage.storeImage(createSampleImage(2 * PICTURE_BYTES), opened.createIdOfAge(0), {});
      await assert.rejects(saving, isErrorWithCode("storage_full"));
      assert.equal((await opened.storage.findImages()).records.length, 9);
    });

    it("knows what is stored and what of it is kept, also after deletions, a cleanup and a start anew", async (t) => {
      const opened = await openStorage(t, { maxBytes: 1e9 });
      const { storage } = opened;
      const ids = await save(opened, 6, 2 * HOUR_MS);
      await save(opened, 2, 0);
      await storage.keepImage(ids[0] ?? "", true);
      await storage.deleteImage(ids[1] ?? "");
      await opened.clock.advance(2 * HOUR_MS);
      assert.equal(await storage.cleanupExpiredImages(3 * 3600), 4);
      const usage = await storage.measureUsage();
      assert.partialDeepStrictEqual(usage, { images: 3, keptImages: 1, limitBytes: 1e9, evictedImages: 0 });
      for (const [bytes = 0, pictures] of [
        [usage?.bytes, 3],
        [usage?.keptBytes, 1],
      ] as const) {
        assert.equal(bytes >= pictures * PICTURE_BYTES && bytes < pictures * (PICTURE_BYTES + 1000), true, `${bytes}`);
      }
      assert.deepEqual(storage.usage, usage);
    });
  });
}

/** Saves pictures, the oldest first, a minute after another, and gives their ids. */
async function save(opened: OpenedStorage, count: number, oldestAgeMs: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => opened.createIdOfAge(oldestAgeMs - index * MINUTE_MS));
  for (const id of ids) await opened.storage.storeImage(createSampleImage(PICTURE_BYTES), id, {});
  return ids;
}

/** Fills what may be left for one more picture. */
async function openHeld({ storage }: OpenedStorage): Promise<Disposable> {
  return storage.reserveRoom().catch(() => ({ [Symbol.dispose]: () => undefined }));
}
