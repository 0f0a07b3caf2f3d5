import assert from "node:assert/strict";
import { test } from "node:test";
import { createImageId } from "../core/image-id.ts";
import { ImageService } from "../images/image-service.ts";
import { FairQueue } from "../queue/fair-queue.ts";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { MockStorage } from "../testing/mock-storage.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { PictureCache } from "./picture-cache.ts";

/** Counts what reaches it, and can be made slow or broken. */
class CountingStorage extends MockStorage {
  imageReads = 0;
  recordReads = 0;
  /** What a read of a picture waits for. */
  gate: Promise<void> = Promise.resolve();
  readonly reached = Promise.withResolvers<void>();

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
}

function createSetting(): Setting {
  const clock = createFakeClock();
  const storage = new CountingStorage({ clock });
  const images = new ImageService({
    storage,
    clock,
    generator: { generateImage: () => Promise.reject(new Error("Nothing draws here")), healthCheck: async () => true },
    queue: new FairQueue({ concurrency: 1, depth: 1, timeoutMs: 1_000, clock }),
    ttlSeconds: 10,
  });
  const cache = new PictureCache({ images, clock, maxBytes: 3_000, maxPictureBytes: 1_000, revalidateMs: 2_000 });
  return {
    clock,
    storage,
    cache,
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

test("PictureCache drops the least recently used picture when its bytes are too many, and reads it anew", async () => {
  const { storage, cache, save } = createSetting();
  const ids = [await save(1_000), await save(999), await save(998), await save(997)];
  for (const id of ids.slice(0, 3)) await cache.load(id);
  cache.getFresh(ids[0] ?? "");
  await cache.load(ids[3] ?? "");
  assert.deepEqual(
    ids.map((id) => cache.getFresh(id)?.head.size),
    [1_000, undefined, 998, 997],
  );
  assert.equal((await cache.load(ids[1] ?? ""))?.head.size, 999);
  assert.equal(storage.imageReads, 5);
});

test("PictureCache shares a picture that is too large to keep only while somebody holds its bytes", async () => {
  const { storage, cache, save } = createSetting();
  const id = await save(1_001);
  const held = await cache.load(id);
  assert.equal(cache.getFresh(id)?.imageData.buffer, held?.imageData.buffer);
  assert.deepEqual((await cache.load(id))?.imageData, storage.images.get(id));
  assert.equal(storage.imageReads, 1);
});

test("PictureCache.getFresh() never gives a picture that has expired", async () => {
  const { clock, cache, save } = createSetting();
  const id = await save(100);
  await clock.advance(9_000);
  await cache.load(id);
  await clock.advance(999);
  assert.equal(cache.getFresh(id)?.head.size, 100);
  await clock.advance(1);
  assert.equal(cache.getFresh(id), undefined);
  assert.equal(await cache.load(id), undefined);
});

test("PictureCache looks every 2 s whether another process deleted the picture, without reading it again", async () => {
  const { clock, storage, cache, save } = createSetting();
  const id = await save(100);
  await cache.load(id);
  await clock.advance(1_999);
  assert.equal(cache.getFresh(id)?.head.size, 100);
  await clock.advance(1);
  assert.equal(cache.getFresh(id), undefined);
  const recordsBefore = storage.recordReads;
  assert.equal((await cache.load(id))?.head.size, 100);
  assert.equal(cache.getFresh(id)?.head.size, 100);
  assert.deepEqual([storage.imageReads, storage.recordReads - recordsBefore], [1, 1]);

  await storage.deleteImage(id);
  await clock.advance(2_000);
  assert.equal(cache.getFresh(id), undefined);
  assert.equal(await cache.load(id), undefined);
  assert.equal(storage.imageReads, 1);
});

test("PictureCache.forget() drops a picture at once, and a load that had begun does not bring it back", async () => {
  const { storage, cache, save } = createSetting();
  const id = await save(100);
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
  const { clock, storage, cache, save } = createSetting();
  const id = await save(1_000);
  await cache.load(id);
  await clock.advance(2_000);
  assert.equal(cache.getFresh(id), undefined);
  assert.equal((await cache.loadHead(id))?.size, 1_000);
  assert.deepEqual(cache.getFresh(id)?.imageData, storage.images.get(id));
  assert.equal(storage.imageReads, 1);
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
