import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createImageId, encodeTime, ID_ALPHABET } from "../core/image-id.ts";
import { configureLogging } from "../logging/logger.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { type FakeS3Server } from "../testing/fake-s3-server.ts";
import {
  BUCKET,
  BYTES,
  LONG_METADATA,
  NOW_MS,
  PREFIX,
  createS3Storage,
  openS3Storage,
  startS3Server,
  toS3Options,
} from "../testing/s3-bench.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";
import { testStorage } from "../testing/test-storage.ts";
import { S3Storage } from "./s3-storage.ts";

const HOUR_MS = 3_600_000;

testStorage(
  "S3Storage",
  async ({ clock, limits, baseUrl, test }) => createS3Storage(await startS3Server(test), { clock, limits, baseUrl }),
  { countsDeletesExactly: false, holdsLimits: true },
);

// Proves: STORAGE-12, STORAGE-13
describe("S3Storage in the bucket", () => {
  it("keeps a picture as one object with its record in ASCII headers", async (t) => {
    const { server, storage, keys } = await openS3Storage(t);
    const id = createImageId(NOW_MS);
    const key = await storage.saveImage(BYTES, id, { prompt: "Menü 猫 🐈\n" });
    const complement = Array.from(encodeTime(NOW_MS), (each) =>
      ID_ALPHABET.charAt(31 - ID_ALPHABET.indexOf(each)),
    ).join("");
    assert.equal(key, `${PREFIX}${complement}-${id}`);
    assert.deepEqual(keys(), [`${complement}-${id}`]);
    const object = server.buckets.get(BUCKET)?.get(key);
    assert.deepEqual(object?.body, BYTES);
    assert.equal(object?.contentType, "image/png");
    assert.equal(
      Object.values(object?.metadata ?? {}).every((value) => /^[\w-]{1,250}$/.test(value)),
      true,
    );
  });

  it("keeps a record that does not fit as an object beside the picture, and deletes both", async (t) => {
    const { server, storage, keys } = await openS3Storage(t);
    const [id, expired] = [createImageId(NOW_MS), createImageId(NOW_MS - 2 * HOUR_MS)];
    for (const each of [id, expired]) await storage.saveImage(BYTES, each, LONG_METADATA);
    assert.equal(keys().length, 4);
    const fresh = createS3Storage(server);
    t.after(async () => fresh.close());
    assert.equal((await fresh.readImage(id))?.record["noise"], LONG_METADATA.noise);
    assert.deepEqual((await fresh.findImages()).records.length, 2);
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
    assert.equal(keys().length, 2);
    await assert.rejects(storage.saveImage(BYTES, id, LONG_METADATA), isErrorWithCode("image_exists"));
    assert.equal(keys().length, 2);
    assert.equal(await storage.deleteImage(id), true);
    assert.deepEqual(keys(), []);
  });

  it("asks as little as it can", async (t) => {
    const { server, storage, save } = await openS3Storage(t);
    const count = async (work: () => Promise<unknown>): Promise<Record<string, number>> => {
      server.operations.length = 0;
      await work();
      const counts: Record<string, number> = {};
      for (const operation of server.operations) counts[operation] = (counts[operation] ?? 0) + 1;
      return counts;
    };
    const id = createImageId(NOW_MS);
    assert.deepEqual(await count(async () => storage.saveImage(BYTES, id, {})), { PutObject: 1 });
    assert.deepEqual(await count(async () => storage.getImage(id)), { GetObject: 1 });
    assert.deepEqual(await count(async () => storage.readRecord(id)), { HeadObject: 1 });
    assert.deepEqual(await count(async () => storage.getImage("../x")), {});
    assert.deepEqual(await count(async () => storage.findImages({ prefix: "../" })), {});
    assert.deepEqual(await count(async () => storage.deleteImage(id)), {
      HeadObject: 2,
      PutObject: 1,
      DeleteObject: 2,
    });
    const other = await save();
    const move = { HeadObject: 1, PutObject: 1, CopyObject: 1, DeleteObject: 2 };
    assert.deepEqual(await count(async () => storage.keepImage(other, true)), move);
    assert.deepEqual(await count(async () => storage.getImage(other)), { GetObject: 2 });
    assert.deepEqual(await count(async () => storage.findImages({ limit: 1 })), { ListObjectsV2: 2 });
    assert.deepEqual(await count(async () => storage.keepImage(other, false)), move);
    for (let index = 0; index < 110; index++) await save(index);
    const fresh = createS3Storage(server);
    t.after(async () => fresh.close());
    assert.deepEqual(await count(async () => fresh.findImages()), { ListObjectsV2: 1, HeadObject: 100 });
    assert.deepEqual(await count(async () => fresh.findImages()), { ListObjectsV2: 1 });
    assert.deepEqual(await count(async () => fresh.cleanupExpiredImages(3600)), { ListObjectsV2: 1 });
    assert.deepEqual(await count(async () => fresh.cleanupExpiredImages(0)), { ListObjectsV2: 1, DeleteObjects: 1 });
  });

  it("sets a lifecycle rule beside those of others, once, that does not reach kept pictures", async (t) => {
    const { server, storage, save } = await openS3Storage(t);
    const rule = storage.describeLifecycle(3600);
    assert.deepEqual(rule, {
      ID: "mcp-image-server mcp-images/",
      Status: "Enabled",
      Filter: { Prefix: "mcp-images/z" },
      Expiration: { Days: 2 },
    });
    const [expiring, kept] = [await save(), await save()];
    await storage.keepImage(kept, true);
    const keysOf = (id: string): string[] =>
      [...(server.buckets.get(BUCKET)?.keys() ?? [])].filter((key) => key.includes(id));
    assert.deepEqual(
      [expiring, kept].map((id) => keysOf(id).every((key) => key.startsWith("mcp-images/z"))),
      [true, false],
    );
    const other = new S3Storage({ ...toS3Options(server), prefix: "other/" });
    t.after(async () => other.close());
    assert.equal(await other.applyLifecycle(86_400), "added");
    assert.equal(await storage.applyLifecycle(3600), "added");
    assert.equal(await storage.applyLifecycle(3600), "unchanged");
    assert.equal(await storage.applyLifecycle(86_401), "changed");
    assert.equal(await other.applyLifecycle(86_400), "unchanged");
  });

  it("warns once about a bucket that keeps old versions", async (t) => {
    const { server, storage } = await openS3Storage(t, { isVersioned: true });
    const lines: string[] = [];
    configureLogging({ service: "test", level: "INFO", destination: { write: (line) => void lines.push(line) } });
    t.after(() => configureLogging({ service: "test", level: "INFO" }));
    for (let check = 0; check < 2; check++) await storage.checkHealth();
    assert.equal(server.operations.filter((operation) => operation === "GetBucketVersioning").length, 1);
    assert.equal(lines.filter((line) => line.includes("s3_bucket_is_versioned")).length, 1);
  });

  it("neither lists nor deletes keys that are not its own", async (t) => {
    const { server, storage, save, keys } = await openS3Storage(t);
    const id = await save(2 * HOUR_MS);
    const bucket = server.buckets.get(BUCKET);
    const [object] = bucket?.values() ?? [];
    assert.ok(bucket !== undefined && object !== undefined);
    const old = createImageId(0);
    const foreign = [
      "0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11.png",
      "0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11.json",
      `${old}.png`,
      `zzzzzzzzzz-${old}.png`,
      `zzzzzzzzzz-${id}`,
      `zzzzzzzzzz-${old}.0123.json`,
      "zzzzzzzzzz-probe-x",
      "zzzzzzzzzz-",
      "a b+c&<d>\u0001%2F/ü",
      "zzz",
    ].sort();
    for (const key of foreign) bucket.set(`${PREFIX}${key}`, object);
    bucket.set(`other/zzzzzzzzzz-${old}`, object);
    assert.deepEqual(
      (await storage.findImages()).records.map((record) => record.image_id),
      [id],
    );
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
    assert.equal(await storage.cleanupExpiredImages(0), 0);
    assert.deepEqual(keys(), [...foreign, `other/zzzzzzzzzz-${old}`].sort());
  });

  it("serves a picture whose record was lost by a copy", async (t) => {
    const { server, storage, save } = await openS3Storage(t);
    const id = await save();
    const expected = await storage.readRecord(id);
    const bucket = server.buckets.get(BUCKET);
    for (const [key, object] of bucket ?? []) bucket?.set(key, { ...object, metadata: {} });
    const fresh = createS3Storage(server);
    t.after(async () => fresh.close());
    const record = await fresh.readRecord(id);
    assert.deepEqual(record && { ...record, prompt: "a cat" }, expected);
    assert.deepEqual((await fresh.findImages()).records, [record]);
    assertSameBytes(await fresh.getImage(id), BYTES);
  });

  it("never shows a picture that is not as long as its record says", async (t) => {
    const { server, storage, save } = await openS3Storage(t);
    const id = await save();
    const bucket = server.buckets.get(BUCKET);
    for (const [key, object] of bucket ?? []) bucket?.set(key, { ...object, body: object.body.subarray(0, 100) });
    assert.equal(await storage.getImage(id), undefined);
    assert.equal(await storage.readRecord(id), undefined);
    assert.deepEqual(await storage.findImages(), { records: [] });
  });

  it("counts what DeleteObjects could not delete as not deleted", async (t) => {
    const { server, storage, save } = await openS3Storage(t);
    const kept = await save(3 * HOUR_MS);
    server.protectedKeys.add(`${PREFIX}${keyOf(server, kept)}`);
    await save(2 * HOUR_MS);
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
    assert.deepEqual(
      (await storage.findImages()).records.map((record) => record.image_id),
      [kept],
    );
  });

  it("takes away what a health check left behind", async (t) => {
    const { server, storage, keys } = await openS3Storage(t);
    server.failNext({ kind: "error", status: 500, code: "InternalError" }, { times: 3, operation: "DeleteObject" });
    await assert.rejects(storage.checkHealth(), isErrorWithCode("storage_write_failed"));
    assert.equal(keys().length, 1);
    const later = createS3Storage(server, { clock: createFakeClock({ nowMs: NOW_MS + HOUR_MS }) });
    t.after(async () => later.close());
    assert.equal(await later.cleanupExpiredImages(60), 0);
    assert.deepEqual(keys(), []);
  });
});

function keyOf(server: FakeS3Server, id: string): string {
  const key = [...(server.buckets.get(BUCKET)?.keys() ?? [])].find((each) => each.endsWith(id));
  return key?.slice(PREFIX.length) ?? "";
}
