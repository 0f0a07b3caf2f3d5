import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { systemClock } from "../core/clock.ts";
import type { AbstractStorage } from "../storage/abstract-storage.ts";
import { isErrorWithCode } from "./error-with-code.ts";
import { HOSTILE_IDS } from "./hostile-ids.ts";
import { createSampleImage } from "./sample-images.ts";
import { assertSameBytes } from "./same-bytes.ts";
import { SUITE_BASE_URL, type StorageSuite } from "./test-storage.ts";

/** What reading, deleting, health and `close()` promise. */
export function testReading({ openStorage, countsDeletesExactly }: StorageSuite): void {
  // Proves: STORAGE-2, STORAGE-4
  describe("reading", () => {
    it("gives undefined for a picture that is not there", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      await storage.saveImage(createSampleImage(), createIdOfAge(0), {});
      await assertUnknown(storage, createIdOfAge(0));
      await assertUnknown(storage, createIdOfAge(3_600_000));
      await assertUnknown(storage, "0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11");
    });

    it("takes a malformed id as an unknown one", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      await storage.saveImage(createSampleImage(), id, {});
      const nearMisses = [id.toUpperCase(), `${id}.png`, `/${id}`, `./${id}`, `${id}/`, `${id}\0`, `%69${id.slice(1)}`];
      for (const hostile of [...HOSTILE_IDS, ...nearMisses]) await assertUnknown(storage, hostile);
      assert.equal((await storage.findImages()).records.length, 1);
    });

    it("gives the same record alone, with the picture and in a list", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      await storage.saveImage(createSampleImage(), id, { prompt: "a cat", nested: { list: [1] } });
      const record = await storage.readRecord(id);
      assert.equal(record?.image_id, id);
      assert.deepEqual((await storage.readImage(id))?.record, record);
      assert.deepEqual((await storage.findImages()).records, [record]);
      assert.deepEqual(await storage.listImages(), [{ ...record, url: `${SUITE_BASE_URL}/images/${id}` }]);
    });

    it("gives the stable URL of a stored picture", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      assert.equal(await storage.getImageUrl(id), undefined);
      await storage.saveImage(createSampleImage(), id, {});
      assert.equal(await storage.getImageUrl(id), `${SUITE_BASE_URL}/images/${id}`);
    });

    it("gives whole bytes to 40 readers at once", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      const bytes = createSampleImage(300_000);
      await storage.saveImage(bytes, id, {});
      const read = await Promise.all(Array.from({ length: 40 }, async () => storage.getImage(id)));
      assert.equal(
        read.every((each) => each?.equals(bytes)),
        true,
      );
    });

    it("opens a picture for reading in parts, in any order", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const [id, unknown] = [createIdOfAge(0), createIdOfAge(0)];
      const bytes = createSampleImage(300_000);
      await storage.saveImage(bytes, id, { prompt: "a cat" });
      const image = await storage.openImage(id);
      assert.deepEqual(image?.record, await storage.readRecord(id));
      for (const [start, end] of [
        [0, 100_000],
        [100_000, 170_000],
        [299_999, 300_000],
        [5, 10],
        [0, 300_000],
      ] as const) {
        const part = Buffer.alloc(end - start);
        await image?.read(part, start);
        assertSameBytes(part, bytes.subarray(start, end));
      }
      image?.close();
      image?.close();
      assert.equal(await storage.openImage(unknown), undefined);
      for (const hostile of HOSTILE_IDS) assert.equal(await storage.openImage(hostile), undefined);
    });

    it("is not held up by pictures that were opened and closed unread", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      const bytes = createSampleImage(300_000);
      await storage.saveImage(bytes, id, {});
      for (let opened = 0; opened < 120; opened++) (await storage.openImage(id))?.close();
      assertSameBytes(await storage.getImage(id), bytes);
    });

    it("never calls a stored picture absent", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      assert.equal(typeof storage.isAbsent(id), "boolean");
      await storage.saveImage(createSampleImage(), id, {});
      assert.equal(storage.isAbsent(id), false);
      for (const hostile of HOSTILE_IDS) assert.equal(storage.isAbsent(hostile), false);
    });

    it("cannot be changed through a record that it gave", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      await storage.saveImage(createSampleImage(), id, { nested: { list: [1] } });
      const record = await storage.readRecord(id);
      const before = structuredClone(record);
      const nested = record?.["nested"];
      if (typeof nested === "object" && nested !== null) Reflect.set(nested, "list", "changed");
      if (record !== undefined) Reflect.set(record, "size", 0);
      assert.deepEqual(await storage.readRecord(id), before);
    });
  });

  // Proves: STORAGE-3
  describe("deleteImage()", () => {
    it("says true once, then the picture is unknown", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const [id, kept] = [createIdOfAge(0), createIdOfAge(0)];
      for (const each of [id, kept]) await storage.saveImage(createSampleImage(), each, {});
      assert.equal(await storage.deleteImage(id), true);
      await assertUnknown(storage, id);
      assert.deepEqual(
        (await storage.findImages()).records.map((record) => record.image_id),
        [kept],
      );
    });

    it("says true to one of many callers", { skip: !countsDeletesExactly }, async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      await storage.saveImage(createSampleImage(), id, {});
      const results = await Promise.all(Array.from({ length: 20 }, async () => storage.deleteImage(id)));
      assert.equal(results.filter(Boolean).length, 1);
      await assertUnknown(storage, id);
    });

    it("may meet readers: each gets the whole picture or nothing", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const bytes = createSampleImage(100_000);
      for (let round = 0; round < 10; round++) {
        const id = createIdOfAge(0);
        await storage.saveImage(bytes, id, {});
        const reading = Array.from({ length: 5 }, async () => storage.getImage(id));
        const [read] = await Promise.all([Promise.all(reading), storage.deleteImage(id)]);
        for (const each of read) assert.equal(each === undefined || each.equals(bytes), true);
      }
    });
  });

  describe("every method", () => {
    it("rejects with the reason of a signal that is aborted already", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const [id, other] = [createIdOfAge(0), createIdOfAge(0)];
      await storage.saveImage(createSampleImage(), id, {});
      const reason = new Error("the caller left");
      const signal = AbortSignal.abort(reason);
      const calls = [
        storage.saveImage(createSampleImage(), other, {}, { signal }),
        storage.readImage(id, { signal }),
        storage.readRecord(id, { signal }),
        storage.getImage(id, { signal }),
        storage.getImageUrl(id, { signal }),
        storage.keepImage(id, true, { signal }),
        storage.deleteImage(id, { signal }),
        storage.findImages({ signal }),
        storage.listImages("", { signal }),
        storage.cleanupExpiredImages(0, { signal }),
        storage.checkHealth({ signal }),
      ];
      for (const result of await Promise.allSettled(calls)) assert.deepEqual(result, { status: "rejected", reason });
      await assertUnknown(storage, other);
      assert.equal((await storage.readRecord(id))?.image_id, id);
    });

    it("can be aborted at any moment, and leaves nothing open", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      const bytes = createSampleImage(200_000);
      await storage.saveImage(bytes, id, {});
      const filesBefore = countOpenFiles();
      const reason = new Error("the caller left");
      for (let turns = 0; turns < 12; turns++) {
        const controller = new AbortController();
        const { signal } = controller;
        const calls = [
          storage.readImage(id, { signal }),
          storage.openImage(id, { signal }).then((image) => image?.close()),
          storage.readRecord(id, { signal }),
          storage.findImages({ signal }),
          storage.keepImage(id, turns % 2 === 0, { signal }),
          storage.cleanupExpiredImages(3600, { signal }),
          storage.checkHealth({ signal }),
        ];
        const settled = Promise.allSettled(calls);
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        controller.abort(reason);
        for (const result of await settled) if (result.status === "rejected") assert.equal(result.reason, reason);
      }
      assertSameBytes(await storage.getImage(id), bytes);
      await storage.close();
      await waitForFiles(filesBefore);
    });

    it("leaves a whole picture or none when a save is aborted on its way", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const bytes = createSampleImage(200_000);
      for (let turns = 0; turns < 12; turns++) {
        const controller = new AbortController();
        const id = createIdOfAge(0);
        const saving = storage.saveImage(bytes, id, {}, { signal: controller.signal });
        const saved = saving.then(
          () => true,
          () => false,
        );
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        controller.abort();
        const read = await ((await saved) ? storage.getImage(id) : Promise.resolve(bytes));
        assertSameBytes(read, bytes);
        const stored = await storage.getImage(id);
        if (stored === undefined) continue; // a remote store may still finish it
        assertSameBytes(stored, bytes);
        assert.equal((await storage.findImages({ prefix: id })).records.length, 1);
      }
    });
  });

  describe("checkHealth() and close()", () => {
    it("finds an empty storage healthy and leaves nothing in it", async (t) => {
      const { storage } = await openStorage(t);
      assert.equal(await storage.checkHealth(), undefined);
      assert.deepEqual(await storage.findImages(), { records: [] });
    });

    it("can be closed twice, and by await using", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      await storage.saveImage(createSampleImage(), createIdOfAge(0), {});
      await storage.close();
      await storage.close();
      await storage[Symbol.asyncDispose]();
      assert.notEqual(storage.backend, "");
    });

    it("refuses whatever is asked for after it was closed", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      await storage.saveImage(createSampleImage(), id, {});
      await storage.close();
      const calls = [
        storage.saveImage(createSampleImage(), createIdOfAge(0), {}),
        storage.getImage(id),
        storage.openImage(id),
        storage.readRecord(id),
        storage.keepImage(id, true),
        storage.deleteImage(id),
        storage.findImages(),
        storage.cleanupExpiredImages(0),
        storage.checkHealth(),
      ];
      for (const result of await Promise.allSettled(calls)) {
        assert.equal(result.status, "rejected");
        assert.ok(isErrorWithCode("storage_unavailable")(result.reason));
      }
    });

    it("shares nothing with another storage", async (t) => {
      const one = await openStorage(t);
      const other = await openStorage(t);
      const id = one.createIdOfAge(60_000);
      await one.storage.saveImage(createSampleImage(), id, {});
      await assertUnknown(other.storage, id);
      assert.deepEqual(await other.storage.findImages(), { records: [] });
      assert.equal(await other.storage.cleanupExpiredImages(0), 0);
      assert.equal((await one.storage.readRecord(id))?.image_id, id);
    });
  });
}

/** 0 where that cannot be known. */
function countOpenFiles(): number {
  return existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0;
}

/** Connections that were given up take a moment to close. */
async function waitForFiles(count: number): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + 5_000;
  while (countOpenFiles() > count && systemClock.monotonicMs() < deadlineMs) await systemClock.sleep(10);
  assert.equal(countOpenFiles() <= count, true, `${countOpenFiles()} files are open, ${count} were`);
}

async function assertUnknown(storage: AbstractStorage, id: string): Promise<void> {
  const shown = JSON.stringify(id.slice(0, 60));
  assert.equal(await storage.readImage(id), undefined, `readImage(${shown})`);
  assert.equal(await storage.getImage(id), undefined, `getImage(${shown})`);
  assert.equal(await storage.readRecord(id), undefined, `readRecord(${shown})`);
  assert.equal(await storage.getImageUrl(id), undefined, `getImageUrl(${shown})`);
  assert.equal(await storage.deleteImage(id), false, `deleteImage(${shown})`);
}
