import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_SEARCHED_RECORDS, type AbstractStorage, type FindImagesQuery } from "../storage/abstract-storage.ts";
import { isErrorWithCode } from "./error-with-code.ts";
import { HOSTILE_IDS } from "./hostile-ids.ts";
import { createSampleImage } from "./sample-images.ts";
import type { OpenedStorage, StorageSuite } from "./test-storage.ts";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Out of order, and over the borders of milliseconds, minutes, hours, days and months. */
const AGES_MS = [
  HOUR_MS,
  0,
  1,
  40 * DAY_MS,
  2,
  5 * MINUTE_MS,
  DAY_MS,
  6 * MINUTE_MS,
  10 * MINUTE_MS,
  SECOND_MS,
  -MINUTE_MS,
];

/** What `findImages` and `listImages` promise. */
export function testListing({ openStorage }: StorageSuite): void {
  describe("findImages()", () => {
    it("gives nothing of an empty storage", async (t) => {
      const { storage } = await openStorage(t);
      assert.deepEqual(await storage.findImages(), { records: [] });
      assert.deepEqual(await storage.listImages(), []);
    });

    it("gives the newest first", async (t) => {
      const opened = await openStorage(t);
      const ids = await saveImagesOfAges(opened, AGES_MS);
      assert.deepEqual(await findIds(opened.storage), ids.toSorted().toReversed());
    });

    it("gives at most the limit, 100 without one", async (t) => {
      const opened = await openStorage(t);
      const ages = Array.from({ length: 103 }, (_, index) => index * 10 * SECOND_MS);
      const newestFirst = (await saveImagesOfAges(opened, ages)).toSorted().toReversed();
      const counts = { undefined: 100, 1: 1, 2: 2, 99: 99, 103: 103, 1000: 103 };
      for (const [limit, count] of Object.entries(counts)) {
        const query = limit === "undefined" ? {} : { limit: Number(limit) };
        const page = await opened.storage.findImages(query);
        assert.deepEqual(
          page.records.map((record) => record.image_id),
          newestFirst.slice(0, count),
        );
        if (count < 103) assert.equal(page.nextCursor, newestFirst[count - 1]);
      }
    });

    it("refuses a limit outside 1..1000 and a cursor that no listing gave", async (t) => {
      const { storage } = await openStorage(t);
      for (const limit of [0, -1, 1001, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        await assert.rejects(storage.findImages({ limit }), isErrorWithCode("invalid_argument"));
      }
      for (const cursor of HOSTILE_IDS) {
        await assert.rejects(storage.findImages({ cursor }), isErrorWithCode("invalid_argument"));
      }
    });

    it("walks through everything by cursor, without a gap or a repeat", async (t) => {
      const opened = await openStorage(t);
      const newestFirst = (await saveImagesOfAges(opened, AGES_MS)).toSorted().toReversed();
      for (const limit of [1, 2, 3, AGES_MS.length - 1, AGES_MS.length, AGES_MS.length + 1]) {
        assert.deepEqual(await walk(opened.storage, { limit }), newestFirst, `limit ${limit}`);
      }
    });

    it("goes on by cursor where it was while others save and delete", async (t) => {
      const opened = await openStorage(t);
      const ages = Array.from({ length: 12 }, (_, index) => (index + 1) * 3 * MINUTE_MS);
      const newestFirst = (await saveImagesOfAges(opened, ages)).toSorted().toReversed();
      const seen = await walk(opened.storage, { limit: 3 }, async (pageNumber, lastId) => {
        await saveImagesOfAges(opened, [0, 1]);
        if (pageNumber === 1) await opened.storage.deleteImage(lastId); // the cursor's own picture
        if (pageNumber === 2) await opened.storage.deleteImage(newestFirst[7] ?? "");
      });
      assert.deepEqual(
        seen,
        newestFirst.filter((_, index) => index !== 7),
      );
    });

    it("may meet deletions: it leaves out what is gone, and nothing else", async (t) => {
      const opened = await openStorage(t);
      const ids = await saveImagesOfAges(
        opened,
        Array.from({ length: 40 }, (_, index) => index * MINUTE_MS),
      );
      const gone = ids.filter((_, index) => index % 2 === 0);
      const stays = ids.filter((_, index) => index % 2 === 1);
      const [lists] = await Promise.all([
        Promise.all(Array.from({ length: 6 }, async () => findIds(opened.storage))),
        ...gone.map(async (id) => opened.storage.deleteImage(id)),
      ]);
      for (const list of [...lists, await findIds(opened.storage)]) {
        assert.deepEqual(
          list.filter((id) => stays.includes(id)),
          stays,
        );
        assert.equal(new Set(list).size, list.length);
      }
      assert.deepEqual(await findIds(opened.storage), stays);
    });

    it("takes the prefix literally, from any length of an id to the whole", async (t) => {
      const opened = await openStorage(t);
      const ids = await saveImagesOfAges(opened, AGES_MS);
      for (const id of ids.slice(0, 3)) {
        for (let length = 0; length <= id.length; length++) {
          const prefix = id.slice(0, length);
          const expected = ids.filter((each) => each.startsWith(prefix));
          assert.deepEqual(await findIds(opened.storage, { prefix }), expected.toSorted().toReversed(), prefix);
          assert.equal((await opened.storage.listImages(prefix)).length, expected.length);
        }
      }
    });

    it("finds nothing by a prefix that no id has", async (t) => {
      const opened = await openStorage(t);
      const [id = ""] = await saveImagesOfAges(opened, [0]);
      const prefixes = [
        "../",
        "/",
        "*",
        "img_*",
        "IMG_",
        id.toUpperCase(),
        `${id}0`,
        `${id}.png`,
        "%69mg_",
        "img_\0",
        "i/",
        "img_8",
      ];
      for (const prefix of [...prefixes, ...HOSTILE_IDS.filter((each) => each !== "" && each !== "img_")]) {
        assert.deepEqual(await opened.storage.findImages({ prefix }), { records: [] });
        assert.deepEqual(await opened.storage.listImages(prefix), []);
      }
    });

    it("walks by cursor within a prefix", async (t) => {
      const opened = await openStorage(t);
      const ids = await saveImagesOfAges(opened, [0, 1, 2, 3, 50 * DAY_MS, 51 * DAY_MS]);
      const prefix = (ids[0] ?? "").slice(0, 8);
      const expected = ids.filter((id) => id.startsWith(prefix));
      assert.equal(expected.length < ids.length, true);
      assert.deepEqual(await walk(opened.storage, { limit: 1, prefix }), expected.toSorted().toReversed());
    });

    it("leaves out what was created at or before createdAfterMs", async (t) => {
      const opened = await openStorage(t);
      const ages = [0, 59_999, 60_000, 60_001, HOUR_MS, DAY_MS];
      const newestFirst = (await saveImagesOfAges(opened, ages)).toSorted().toReversed();
      const nowMs = opened.clock.nowMs();
      const find = async (ageMs: number): Promise<number> =>
        (await walk(opened.storage, { limit: 2, createdAfterMs: nowMs - ageMs })).length;
      assert.deepEqual(await Promise.all([0, 1, 60_000, 60_001, HOUR_MS, 2 * DAY_MS].map(find)), [0, 1, 2, 3, 4, 6]);
      assert.deepEqual(await findIds(opened.storage, { createdAfterMs: nowMs - 60_000 }), newestFirst.slice(0, 2));
    });

    it("gives no cursor behind the last picture that createdAfterMs lets through", async (t) => {
      const opened = await openStorage(t);
      await saveImagesOfAges(opened, [0, 1, HOUR_MS]);
      const query = { limit: 2, createdAfterMs: opened.clock.nowMs() - MINUTE_MS };
      assert.equal((await opened.storage.findImages(query)).nextCursor, undefined);
    });
  });

  describe("findImages() by text", () => {
    it("finds the pictures whose prompt holds every word, in any case and order", async (t) => {
      const opened = await openStorage(t);
      const prompts = ["A red FOX, running", "a fox", "RED roses", "ein Füchslein", "红色的狐狸", "x".repeat(3000), 7];
      const ids = prompts.map((_, index) => opened.createIdOfAge(index * MINUTE_MS));
      for (const [index, prompt] of prompts.entries()) {
        await opened.storage.saveImage(createSampleImage(), ids[index] ?? "", { prompt, negative_prompt: "fox" });
      }
      const bare = opened.createIdOfAge(HOUR_MS);
      await opened.storage.saveImage(createSampleImage(), bare, {});
      const find = async (text: string): Promise<number[]> =>
        (await findIds(opened.storage, { text })).map((found) => ids.findIndex((id) => id === found));
      assert.deepEqual(await find("fox"), [0, 1]);
      assert.deepEqual(await find("  fox\n RED "), [0]);
      assert.deepEqual(await find("FÜCHS"), [3]);
      assert.deepEqual(await find("fu\u0308chs"), [3]);
      assert.deepEqual(await find("狐狸"), [4]);
      assert.deepEqual(await find("xxx"), [5]);
      for (const text of ["foxes", "fox cat", ".*", "%", "7", "undefined"])
        assert.deepEqual(await find(text), [], text);
      for (const text of ["", " \t\n"]) assert.equal((await find(text)).length, 8);
    });

    it("goes with limit, cursor and prefix", async (t) => {
      const opened = await openStorage(t);
      const ids = await saveImagesOfAges(
        opened,
        Array.from({ length: 9 }, (_, index) => index * HOUR_MS),
      );
      for (const limit of [1, 2, 3, 8, 9, 10]) {
        assert.deepEqual(await walk(opened.storage, { limit, text: "CAT a" }), ids, `limit ${limit}`);
      }
      assert.deepEqual(await findIds(opened.storage, { text: "cat", prefix: ids[3] ?? "" }), [ids[3]]);
      const createdAfterMs = opened.clock.nowMs() - 2 * HOUR_MS;
      assert.deepEqual(await findIds(opened.storage, { text: "cat", createdAfterMs }), ids.slice(0, 2));
    });

    it("looks at no more than 1,000 records a page, and tells where to go on", async (t) => {
      const opened = await openStorage(t);
      const ages = Array.from({ length: 1005 }, (_, index) => index * SECOND_MS);
      const ids = await saveImagesOfAges(opened, ages);
      const needle = opened.createIdOfAge(2 * HOUR_MS);
      await opened.storage.saveImage(createSampleImage(), needle, { prompt: "a needle" });
      const page = await opened.storage.findImages({ text: "needle" });
      assert.deepEqual(page, { records: [], nextCursor: ids[MAX_SEARCHED_RECORDS - 1] });
      const next = await opened.storage.findImages({ text: "needle", cursor: page.nextCursor ?? "" });
      assert.deepEqual(
        next.records.map((record) => record.image_id),
        [needle],
      );
      assert.equal(next.nextCursor, undefined);
    });

    it("refuses a text of more than 200 characters", async (t) => {
      const { storage } = await openStorage(t);
      await assert.rejects(storage.findImages({ text: "x".repeat(201) }), isErrorWithCode("invalid_argument"));
      assert.deepEqual(await storage.findImages({ text: "x".repeat(200) }), { records: [] });
    });
  });

  // Proves: STORAGE-5
  describe("listImages()", () => {
    it("gives at most the newest 1,000", async (t) => {
      const opened = await openStorage(t);
      const ages = Array.from({ length: 1003 }, (_, index) => index * SECOND_MS);
      const newestFirst = (await saveImagesOfAges(opened, ages)).toSorted().toReversed();
      const listed = (await opened.storage.listImages()).map((entry) => entry.image_id);
      assert.deepEqual(listed, newestFirst.slice(0, 1000));
      assert.deepEqual(await walk(opened.storage, { limit: 1000 }), newestFirst);
    });
  });
}

/** Saves small pictures and gives their ids in the order of the ages. */
async function saveImagesOfAges(opened: OpenedStorage, agesMs: readonly number[]): Promise<string[]> {
  const ids = agesMs.map(opened.createIdOfAge);
  for (let start = 0; start < ids.length; start += 25) {
    const batch = ids.slice(start, start + 25);
    await Promise.all(batch.map(async (id) => opened.storage.saveImage(createSampleImage(), id, { prompt: "a cat" })));
  }
  return ids;
}

async function findIds(storage: AbstractStorage, query: FindImagesQuery = {}): Promise<string[]> {
  return (await storage.findImages(query)).records.map((record) => record.image_id);
}

async function walk(
  storage: AbstractStorage,
  query: FindImagesQuery,
  afterPage?: (pageNumber: number, lastId: string) => Promise<void>,
): Promise<string[]> {
  const seen: string[] = [];
  let page = await storage.findImages(query);
  for (let pageNumber = 1; ; pageNumber++) {
    seen.push(...page.records.map((record) => record.image_id));
    if (page.nextCursor === undefined) return seen;
    assert.equal(page.records.length, query.limit);
    assert.equal(page.nextCursor, seen.at(-1));
    await afterPage?.(pageNumber, page.nextCursor);
    page = await storage.findImages({ ...query, cursor: page.nextCursor });
  }
}
