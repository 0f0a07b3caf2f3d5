import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { isErrorWithCode } from "./error-with-code.ts";
import { createSampleImage, SAMPLE_FORMATS } from "./sample-images.ts";
import { assertSameBytes } from "./same-bytes.ts";
import { HOSTILE_IDS } from "./hostile-ids.ts";
import type { StorageSuite } from "./test-storage.ts";

const SIZES = [12, 13, 255, 4096, 65_535, 65_536, 65_537, 1_048_576, 10 * 1_048_576];

/** The end of a surrogate pair without its start: valid in a JavaScript text, not in UTF-8. */
const LONE_SURROGATE = "\udc00";

const METADATA = {
  prompt: 'A "quoted" cat,\nsecond line\ttab \\ backslash, naïve café, 日本語の猫, 🐈‍⬛, \u0000 NUL, \u2028',
  negative_prompt: "",
  width: 512,
  guidance_scale: 7.5,
  tiny: 1e-7,
  large: Number.MAX_SAFE_INTEGER,
  negative: -1,
  yes: true,
  no: false,
  nothing: null,
  nested: { list: [1, "two", null, { three: [[]] }], "key with spaces": {}, ключ: "значение" },
};

/** What `saveImage` promises. */
export function testSaving({ openStorage, savesExclusively }: StorageSuite): void {
  // Proves: STORAGE-1, STORAGE-8
  describe("saveImage()", () => {
    it("keeps the exact bytes of every size", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      for (const size of SIZES) {
        const bytes = createSampleImage(size, "png", size);
        const id = createIdOfAge(0);
        await storage.saveImage(bytes, id, {});
        assert.equal((await storage.getImage(id))?.equals(bytes), true, `${size} bytes`);
      }
    });

    it("keeps PNG, JPEG and WebP as what they are", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      assert.deepEqual(SAMPLE_FORMATS.toSorted(), ["jpeg", "png", "webp"]);
      for (const format of SAMPLE_FORMATS) {
        const bytes = createSampleImage(100, format);
        const id = createIdOfAge(0);
        await storage.saveImage(bytes, id, {});
        assert.equal((await storage.readRecord(id))?.format, format);
        assertSameBytes(await storage.getImage(id), bytes);
      }
    });

    it("refuses bytes that are no picture", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const texts = ["", "x", "hello", "<svg xmlns='http://www.w3.org/2000/svg'/>", "<!doctype html>", "GIF89a......"];
      const refused = [
        ...texts.map((text) => Buffer.from(text)),
        createSampleImage(7, "png"),
        createSampleImage(2, "jpeg"),
      ];
      for (const bytes of refused) {
        await assert.rejects(storage.saveImage(bytes, createIdOfAge(0), {}), isErrorWithCode("image_invalid"));
      }
      assert.deepEqual(await storage.findImages(), { records: [] });
    });

    it("keeps metadata of every JSON type and script", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      await storage.saveImage(createSampleImage(), id, METADATA);
      const {
        image_id: _id,
        created_at: _at,
        size: _size,
        format: _format,
        sha256: _hash,
        ...kept
      } = (await storage.readRecord(id)) ?? {};
      assert.deepEqual(kept, METADATA);
    });

    it("keeps long prompts, also those that do not compress", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const noise = createSampleImage(9000, "png", 7).toString("base64");
      const prompts = [
        "a".repeat(10_000),
        "猫と犬の絵".repeat(2000),
        noise,
        `${LONE_SURROGATE} alone`,
        "🐈".repeat(3000),
      ];
      for (const prompt of prompts) {
        const id = createIdOfAge(0);
        await storage.saveImage(createSampleImage(), id, { prompt });
        assert.equal((await storage.readRecord(id))?.["prompt"], prompt);
        assert.equal((await storage.readImage(id))?.record["prompt"], prompt);
      }
    });

    it("writes its own facts, whatever the metadata says", async (t) => {
      const { storage, clock, createIdOfAge } = await openStorage(t);
      const bytes = createSampleImage(321, "webp");
      const id = createIdOfAge(1234);
      const lies = {
        image_id: "img_other",
        created_at: "yesterday",
        size: 1,
        format: "png",
        sha256: "0",
        kept: 1,
        steps: 1,
      };
      await storage.saveImage(bytes, id, lies);
      assert.deepEqual(await storage.readRecord(id), {
        image_id: id,
        created_at: new Date(clock.nowMs() - 1234).toISOString(),
        size: 321,
        format: "webp",
        sha256: createHash("sha256").update(bytes).digest("hex"),
        steps: 1,
      });
    });

    it("refuses an id that createImageId did not make", async (t) => {
      const { storage } = await openStorage(t);
      const legacy = ["0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11", "img_0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11"];
      for (const id of [...HOSTILE_IDS, ...legacy]) {
        await assert.rejects(storage.saveImage(createSampleImage(), id, {}), isErrorWithCode("invalid_image_id"));
      }
      assert.deepEqual(await storage.findImages(), { records: [] });
    });

    it("refuses metadata of more than 1 MiB", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const metadata = { prompt: "x".repeat(1024 * 1024) };
      const saving = storage.saveImage(createSampleImage(), createIdOfAge(0), metadata);
      await assert.rejects(saving, isErrorWithCode("invalid_argument"));
    });

    it("refuses an id that is taken, and leaves the first picture alone", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const first = createSampleImage(100, "png", 1);
      const id = createIdOfAge(0);
      await storage.saveImage(first, id, { attempt: 1 });
      for (const format of SAMPLE_FORMATS) {
        const saving = storage.saveImage(createSampleImage(200, format, 2), id, { attempt: 2 });
        await assert.rejects(saving, isErrorWithCode("image_exists"));
      }
      assertSameBytes(await storage.getImage(id), first);
      assert.equal((await storage.readRecord(id))?.["attempt"], 1);
      assert.equal((await storage.findImages()).records.length, 1);
    });

    it("lets one of 20 concurrent saves of one id win, whole", { skip: !savesExclusively }, async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      const images = Array.from({ length: 20 }, (_, index) => createSampleImage(20_000 + index, "png", index));
      const results = await Promise.allSettled(
        images.map(async (bytes, index) => storage.saveImage(bytes, id, { index })),
      );
      const winners = results.flatMap((result, index) => (result.status === "fulfilled" ? [index] : []));
      for (const result of results) {
        if (result.status === "rejected") assert.ok(isErrorWithCode("image_exists")(result.reason));
      }
      assert.equal(winners.length, 1);
      const [winner = -1] = winners;
      const stored = await storage.readImage(id);
      assert.equal(stored?.record["index"], winner);
      assertSameBytes(stored?.imageData, images[winner]);
    });

    it("keeps 32 pictures that are saved at once", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const images = Array.from({ length: 32 }, (_, index) => ({
        id: createIdOfAge(index * 60_000),
        bytes: createSampleImage(5000 + index, "jpeg", index),
      }));
      await Promise.all(images.map(async ({ id, bytes }) => storage.saveImage(bytes, id, {})));
      for (const { id, bytes } of images) assertSameBytes(await storage.getImage(id), bytes);
    });

    it("gives the record and the place, as storeImage()", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      const { record, location } = await storage.storeImage(createSampleImage(), id, { prompt: "a cat" });
      assert.deepEqual(await storage.readRecord(id), record);
      assert.notEqual(location, "");
    });

    it("gives each picture a path or key of its own", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const one = await storage.saveImage(createSampleImage(), createIdOfAge(0), {});
      const other = await storage.saveImage(createSampleImage(), createIdOfAge(0), {});
      assert.notEqual(one, "");
      assert.notEqual(one, other);
    });

    it("is not changed by what happens to the buffer afterwards, or to the metadata at once", async (t) => {
      const { storage, createIdOfAge } = await openStorage(t);
      const id = createIdOfAge(0);
      const original = createSampleImage(70_000);
      const given = Buffer.from(original);
      const metadata = { list: [1, 2] };
      const saving = storage.saveImage(given, id, metadata);
      metadata.list.push(3);
      await saving;
      given.fill(0);
      const read = await storage.getImage(id);
      assertSameBytes(read, original);
      read?.fill(1);
      assertSameBytes(await storage.getImage(id), original);
      assert.deepEqual((await storage.readRecord(id))?.["list"], [1, 2]);
    });
  });
}
