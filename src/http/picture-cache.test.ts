import assert from "node:assert/strict";
import { test } from "node:test";
import { createImageId } from "../core/image-id.ts";
import { ImageService } from "../images/image-service.ts";
import { FairQueue } from "../queue/fair-queue.ts";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { MockStorage } from "../testing/mock-storage.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { HeldPicture } from "./held-picture.ts";
import { PictureCache, type PictureCacheOptions } from "./picture-cache.ts";

/** Counts what reaches it, and can be made slow or broken. */
class CountingStorage extends MockStorage {
  imageReads = 0;
  recordReads = 0;
  /** What a read of a picture waits for. */
  gate: Promise<void> = Promise.resolve();
  reached = Promise.withResolvers<void>();

  override async readImage(imageId: string): ReturnType<MockStorage["readImage"]> {
    this.imageReads += 1;
    const image = await super.readImage(imageId);
    this.reached.resolve();
    await this.gate;
    return image;
  }

  override async readRecord(imageId: string): ReturnType<MockStorage["readRecord"]> {
    this.recordReads += 1;
    return super.readRecord(imageId);
  }
}

interface Setting {
  readonly clock: FakeClock;
  readonly storage: CountingStorage;
  readonly cache: PictureCache;
  readonly save: (sizeBytes: number) => Promise<string>;
  /** Loads a picture and has done with it. */
  readonly use: (imageId: string) => Promise<void>;
  /** Loads a picture as often as it takes to stay. */
  readonly keep: (imageId: string) => Promise<void>;
}

function createSetting(limits: Partial<PictureCacheOptions> = {}): Setting {
  const clock = createFakeClock();
  const storage = new CountingStorage({ clock });
  const images = new ImageService({
    storage,
    clock,
    generator: { generateImage: () => Promise.reject(new Error("Nothing draws here")), healthCheck: async () => true },
    queue: new FairQueue({ concurrency: 1, depth: 1, timeoutMs: 1_000, clock }),
    ttlSeconds: 10,
  });
  const cache = new PictureCache({
    images,
    clock,
    maxBytes: 3_000,
    maxPictureBytes: 1_000,
    maxSendingBytes: 1024 * 1024,
    revalidateMs: 2_000,
    ...limits,
  });
  const use = async (imageId: string): Promise<void> => (await cache.load(imageId))?.release();
  return {
    clock,
    storage,
    cache,
    use,
    keep: async (imageId) => {
      for (let asked = 0; asked < 2; asked++) await use(imageId);
    },
    save: async (sizeBytes) => {
      const imageId = createImageId(clock.nowMs());
      await storage.saveImage(createSampleImage(sizeBytes), imageId, {});
      return imageId;
    },
  };
}

test("PictureCache.load() reads a picture once, however many ask at the same time", async () => {
  const { storage, cache, save } = createSetting();
  const id = await save(1_000);
  const pictures = await Promise.all(Array.from({ length: 10 }, async () => cache.load(id)));
  assert.equal(storage.imageReads, 1);
  assert.equal(new Set(pictures).size, 1);
  assert.deepEqual(cache.getFresh(id)?.imageData, storage.images.get(id));
});

test("PictureCache keeps a picture that is asked for a second time, and one walk over many throws out nothing", async () => {
  const { storage, cache, save, use, keep } = createSetting();
  const hot = await save(1_000);
  await use(hot);
  assert.equal(cache.getFresh(hot), undefined);
  await use(hot);
  assert.equal(cache.getFresh(hot)?.head.size, 1_000);
  for (let count = 0; count < 20; count++) await use(await save(500));
  assert.equal(cache.getFresh(hot)?.head.size, 1_000);
  assert.equal(storage.imageReads, 22);
  await keep(hot);
  assert.equal(storage.imageReads, 22);
});

test("PictureCache is not thrown over by walks in turn over more pictures than fit", async () => {
  const { storage, cache, save, use } = createSetting();
  const ids = await Promise.all(Array.from({ length: 4 }, async () => save(1_000)));
  const [hot = ""] = ids;
  for (let turn = 0; turn < 2; turn++) await use(hot);
  const askForAll = async (): Promise<void> => {
    for (const id of ids) if (cache.getFresh(id) === undefined) await use(id);
  };
  for (let turn = 0; turn < 3; turn++) await askForAll();
  storage.imageReads = 0;
  await askForAll();
  assert.equal(cache.getFresh(hot)?.head.size, 1_000);
  assert.equal(storage.imageReads, 3);
});

test("PictureCache drops the least recently used picture when its bytes are too many, and reads it anew", async () => {
  const { cache, save, use, keep } = createSetting();
  const ids = [await save(1_000), await save(999), await save(998), await save(997)];
  for (const id of ids.slice(0, 3)) await keep(id);
  cache.getFresh(ids[0] ?? "");
  await keep(ids[3] ?? "");
  assert.deepEqual(
    ids.map((id) => cache.getFresh(id)?.head.size),
    [1_000, undefined, 998, 997],
  );
  await use(ids[1] ?? "");
});

test("PictureCache shares a picture that is too large to keep while somebody sends it, and then lets it go", async () => {
  const { storage, cache, save, use } = createSetting();
  const id = await save(1_001);
  await use(id);
  const first = await cache.load(id);
  const second = await cache.load(id);
  assert.equal(first, second);
  assert.equal(cache.getFresh(id), first);
  first?.release();
  assert.deepEqual(cache.getFresh(id)?.imageData, storage.images.get(id));
  second?.release();
  assert.equal(cache.getFresh(id), undefined);
  assert.equal(storage.imageReads, 2);
});

test("PictureCache opens a picture for reading in parts when those that are being sent take all memory", async () => {
  const { storage, cache, save } = createSetting();
  const held = [];
  for (let count = 0; count < 4; count++) held.push(await cache.load(await save(200_000)));
  assert.deepEqual(
    held.map((picture) => picture?.kind),
    ["held", "held", "held", "held"],
  );
  const id = await save(200_000);
  const [one, other] = await Promise.all([cache.load(id), cache.load(id)]);
  assert.equal(one?.kind === "open" && other?.kind === "open", true);
  assert.notEqual(one, other);
  const part = Buffer.alloc(100);
  if (one?.kind === "open") await one.image.read(part, 1_000);
  assert.deepEqual(part, storage.images.get(id)?.subarray(1_000, 1_100));
  for (const picture of [one, other, ...held]) picture?.release();
  const again = await cache.load(id);
  assert.equal(again instanceof HeldPicture, true);
  again?.release();
});

test("PictureCache counts a picture that leaves while it is being sent as memory for sending", async () => {
  const { cache, save, keep } = createSetting({
    maxSendingBytes: 400_000,
    maxBytes: 450_000,
    maxPictureBytes: 450_000,
  });
  const kept = await save(400_000);
  await keep(kept);
  const sent = cache.getFresh(kept);
  sent?.retain();
  await keep(await save(100_000));
  assert.equal(cache.getFresh(kept), undefined);
  const other = await save(50_000);
  const whileSent = await cache.load(other);
  assert.equal(whileSent?.kind, "open");
  whileSent?.release();
  sent?.release();
  assert.equal((await cache.load(await save(50_000)))?.kind, "held");
});

test("PictureCache.getFresh() never gives a picture that has expired", async () => {
  const { clock, cache, save, keep } = createSetting();
  const id = await save(100);
  await clock.advance(9_000);
  await keep(id);
  await clock.advance(999);
  assert.equal(cache.getFresh(id)?.head.size, 100);
  await clock.advance(1);
  assert.equal(cache.getFresh(id), undefined);
  assert.equal(await cache.load(id), undefined);
});

test("PictureCache looks every 2 s whether another process deleted the picture, without reading it again", async () => {
  const { clock, storage, cache, save, use, keep } = createSetting();
  const id = await save(100);
  await keep(id);
  await clock.advance(1_999);
  assert.equal(cache.getFresh(id)?.head.size, 100);
  await clock.advance(1);
  assert.equal(cache.getFresh(id), undefined);
  const recordsBefore = storage.recordReads;
  await use(id);
  assert.equal(cache.getFresh(id)?.head.size, 100);
  assert.deepEqual([storage.imageReads, storage.recordReads - recordsBefore], [2, 1]);

  await storage.deleteImage(id);
  await clock.advance(2_000);
  assert.equal(cache.getFresh(id), undefined);
  assert.equal(await cache.load(id), undefined);
  assert.equal(storage.imageReads, 2);
});

test("PictureCache.forget() drops a picture at once, and a load that had begun does not bring it back", async () => {
  const { storage, cache, save, use } = createSetting();
  const id = await save(100);
  await use(id);
  storage.reached = Promise.withResolvers();
  const gate = Promise.withResolvers<void>();
  storage.gate = gate.promise;
  const early = cache.load(id);
  await storage.reached.promise;
  await storage.deleteImage(id);
  cache.forget(id);
  gate.resolve();
  assert.equal((await early)?.head.size, 100);
  assert.equal(cache.getFresh(id), undefined);
  assert.equal(await cache.load(id), undefined);
});

test("PictureCache.load() tries again after a failed read", async () => {
  const { storage, cache, save } = createSetting();
  const id = await save(100);
  storage.gate = Promise.reject(new Error("broken"));
  await assert.rejects(cache.load(id), /broken/);
  storage.gate = Promise.resolve();
  assert.equal((await cache.load(id))?.head.size, 100);
});

test("PictureCache.loadHead() counts as a look at the store, so that a picture in memory is fresh again", async () => {
  const { clock, storage, cache, save, keep } = createSetting();
  const id = await save(1_000);
  await keep(id);
  await clock.advance(2_000);
  assert.equal(cache.getFresh(id), undefined);
  assert.equal((await cache.loadHead(id))?.size, 1_000);
  assert.deepEqual(cache.getFresh(id)?.imageData, storage.images.get(id));
  assert.equal(storage.imageReads, 2);
});

test("PictureCache learns from the store that a picture is kept, and reads it no second time", async () => {
  const { clock, storage, cache, save } = createSetting();
  const id = await save(500);
  await cache.load(id);
  await storage.keepImage(id, true);
  await clock.advance(11_000);
  assert.equal(cache.getFresh(id), undefined);
  assert.equal((await cache.load(id))?.head.expiresAtMs, Infinity);
  assert.equal(cache.getFresh(id)?.head.expiresAtMs, Infinity);
  assert.equal(storage.imageReads, 1);
});
