import assert from "node:assert/strict";
import { inspect } from "node:util";
import { describe, it, type TestContext } from "node:test";
import { systemClock } from "../core/clock.ts";
import { MCPImageError } from "../core/errors.ts";
import { createImageId, encodeTime, ID_ALPHABET, type ImageId } from "../core/image-id.ts";
import { configureLogging } from "../logging/logger.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import {
  FAKE_S3_ACCESS_KEY_ID,
  FAKE_S3_SECRET_ACCESS_KEY,
  startFakeS3Server,
  type FakeS3Fault,
  type FakeS3Server,
  type FakeS3ServerOptions,
} from "../testing/fake-s3-server.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";
import { testStorage } from "../testing/test-storage.ts";
import { S3Storage, type S3StorageOptions } from "./s3-storage.ts";

const BUCKET = "pictures";
const PREFIX = "mcp-images/";
const NOW_MS = Date.UTC(2026, 2, 1, 14, 35);
const HOUR_MS = 3_600_000;
const BYTES = createSampleImage(2000);
/** Too random to fit into headers. */
const LONG_METADATA = { noise: createSampleImage(3000).toString("base64") };

function optionsFor(server: FakeS3Server): S3StorageOptions {
  return {
    bucket: BUCKET,
    prefix: PREFIX,
    endpointUrl: server.url,
    accessKeyId: FAKE_S3_ACCESS_KEY_ID,
    secretAccessKey: FAKE_S3_SECRET_ACCESS_KEY,
    baseUrl: "",
    clock: createFakeClock({ nowMs: NOW_MS }),
    timeoutSeconds: 60,
  };
}

function createStorage(server: FakeS3Server, options: Partial<S3StorageOptions> = {}): S3Storage {
  return new S3Storage({ ...optionsFor(server), ...options });
}

async function startServer(t: TestContext, options: FakeS3ServerOptions = {}): Promise<FakeS3Server> {
  const server = await startFakeS3Server({ buckets: [BUCKET], ...options });
  t.after(async () => server.close());
  return server;
}

interface Opened {
  readonly server: FakeS3Server;
  readonly storage: S3Storage;
  readonly save: (ageMs?: number) => Promise<ImageId>;
  /** The keys in the bucket, without the prefix. */
  readonly keys: () => string[];
}

async function open(t: TestContext, options: FakeS3ServerOptions & Partial<S3StorageOptions> = {}): Promise<Opened> {
  const server = await startServer(t, options);
  const storage = createStorage(server, options);
  t.after(async () => storage.close());
  const save = async (ageMs = 0): Promise<ImageId> => {
    const id = createImageId(NOW_MS - ageMs);
    await storage.saveImage(BYTES, id, { prompt: "a cat" });
    return id;
  };
  const keys = (): string[] =>
    [...(server.buckets.get(BUCKET)?.keys() ?? [])].map((key) => key.replace(PREFIX, "")).sort();
  return { server, storage, save, keys };
}

testStorage(
  "S3Storage",
  async ({ clock, limits, baseUrl, test }) => createStorage(await startServer(test), { clock, limits, baseUrl }),
  { countsDeletesExactly: false, holdsLimits: true },
);

// Proves: STORAGE-12, STORAGE-13
describe("S3Storage in the bucket", () => {
  it("keeps a picture as one object with its record in ASCII headers", async (t) => {
    const { server, storage, keys } = await open(t);
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
    const { server, storage, keys } = await open(t);
    const [id, expired] = [createImageId(NOW_MS), createImageId(NOW_MS - 2 * HOUR_MS)];
    for (const each of [id, expired]) await storage.saveImage(BYTES, each, LONG_METADATA);
    assert.equal(keys().length, 4);
    const fresh = createStorage(server);
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
    const { server, storage, save } = await open(t);
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
    assert.deepEqual(await count(async () => storage.deleteImage(id)), { HeadObject: 2, DeleteObject: 1 });
    const other = await save();
    const move = { HeadObject: 1, CopyObject: 1, DeleteObject: 1 };
    assert.deepEqual(await count(async () => storage.keepImage(other, true)), move);
    assert.deepEqual(await count(async () => storage.getImage(other)), { GetObject: 2 });
    assert.deepEqual(await count(async () => storage.findImages({ limit: 1 })), { ListObjectsV2: 2 });
    assert.deepEqual(await count(async () => storage.keepImage(other, false)), move);
    for (let index = 0; index < 110; index++) await save(index);
    const fresh = createStorage(server);
    t.after(async () => fresh.close());
    assert.deepEqual(await count(async () => fresh.findImages()), { ListObjectsV2: 1, HeadObject: 100 });
    assert.deepEqual(await count(async () => fresh.findImages()), { ListObjectsV2: 1 });
    assert.deepEqual(await count(async () => fresh.cleanupExpiredImages(3600)), { ListObjectsV2: 1 });
    assert.deepEqual(await count(async () => fresh.cleanupExpiredImages(0)), { ListObjectsV2: 1, DeleteObjects: 1 });
  });

  it("sets a lifecycle rule beside those of others, once, that does not reach kept pictures", async (t) => {
    const { server, storage, save } = await open(t);
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
    const other = new S3Storage({ ...optionsFor(server), prefix: "other/" });
    t.after(async () => other.close());
    assert.equal(await other.applyLifecycle(86_400), "added");
    assert.equal(await storage.applyLifecycle(3600), "added");
    assert.equal(await storage.applyLifecycle(3600), "unchanged");
    assert.equal(await storage.applyLifecycle(86_401), "changed");
    assert.equal(await other.applyLifecycle(86_400), "unchanged");
  });

  it("warns once about a bucket that keeps old versions", async (t) => {
    const { server, storage } = await open(t, { isVersioned: true });
    const lines: string[] = [];
    configureLogging({ service: "test", level: "INFO", destination: { write: (line) => void lines.push(line) } });
    t.after(() => configureLogging({ service: "test", level: "INFO" }));
    for (let check = 0; check < 2; check++) await storage.checkHealth();
    assert.equal(server.operations.filter((operation) => operation === "GetBucketVersioning").length, 1);
    assert.equal(lines.filter((line) => line.includes("s3_bucket_is_versioned")).length, 1);
  });

  it("neither lists nor deletes keys that are not its own", async (t) => {
    const { server, storage, save, keys } = await open(t);
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
    const { server, storage, save } = await open(t);
    const id = await save();
    const expected = await storage.readRecord(id);
    const bucket = server.buckets.get(BUCKET);
    for (const [key, object] of bucket ?? []) bucket?.set(key, { ...object, metadata: {} });
    const fresh = createStorage(server);
    t.after(async () => fresh.close());
    const record = await fresh.readRecord(id);
    assert.deepEqual(record && { ...record, prompt: "a cat" }, expected);
    assert.deepEqual((await fresh.findImages()).records, [record]);
    assertSameBytes(await fresh.getImage(id), BYTES);
  });

  it("never shows a picture that is not as long as its record says", async (t) => {
    const { server, storage, save } = await open(t);
    const id = await save();
    const bucket = server.buckets.get(BUCKET);
    for (const [key, object] of bucket ?? []) bucket?.set(key, { ...object, body: object.body.subarray(0, 100) });
    assert.equal(await storage.getImage(id), undefined);
    assert.equal(await storage.readRecord(id), undefined);
    assert.deepEqual(await storage.findImages(), { records: [] });
  });

  it("counts what DeleteObjects could not delete as not deleted", async (t) => {
    const { server, storage, save } = await open(t);
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
    const { server, storage, keys } = await open(t);
    server.failNext({ kind: "error", status: 500, code: "InternalError" }, { times: 3, operation: "DeleteObject" });
    await assert.rejects(storage.checkHealth(), isErrorWithCode("storage_write_failed"));
    assert.equal(keys().length, 1);
    const later = createStorage(server, { clock: createFakeClock({ nowMs: NOW_MS + HOUR_MS }) });
    t.after(async () => later.close());
    assert.equal(await later.cleanupExpiredImages(60), 0);
    assert.deepEqual(keys(), []);
  });
});

describe("S3Storage and servers that know less", () => {
  it("asks before it writes where If-None-Match is not implemented", async (t) => {
    const { server, storage, save } = await open(t, { supportsConditionalWrites: false });
    const id = await save();
    await assert.rejects(storage.saveImage(BYTES, id, {}), isErrorWithCode("image_exists"));
    assert.deepEqual(server.operations, ["PutObject", "HeadObject", "PutObject", "HeadObject"]);
    assertSameBytes(await storage.getImage(id), BYTES);
  });

  it("cleans where DeleteObjects wants Content-MD5", async (t) => {
    const { storage, save } = await open(t, { requiresContentMd5: true });
    await save(2 * HOUR_MS);
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
  });
});

// Proves: STORAGE-15
describe("S3Storage on a bad day", () => {
  it("is patient with up to two failures of each kind", async (t) => {
    const { server, storage, save } = await open(t);
    const faults: FakeS3Fault[] = [
      { kind: "error", status: 500, code: "InternalError" },
      { kind: "error", status: 503, code: "SlowDown" },
      { kind: "reset", isDone: false },
    ];
    for (const fault of faults) {
      server.failNext(fault, { times: 2 });
      const id = await save();
      server.failNext(fault, { times: 2 });
      assertSameBytes(await storage.getImage(id), BYTES);
    }
  });

  it("tries again, within its time, when an attempt gets no answer", async (t) => {
    const { server, storage, save } = await open(t, { timeoutSeconds: 3 });
    const id = await save();
    server.failNext({ kind: "hang" });
    assertSameBytes(await storage.getImage(id), BYTES);
    assert.deepEqual(server.operations, ["PutObject", "GetObject", "GetObject"]);
  });

  it("reads again when a body breaks off, and gives no half picture", async (t) => {
    const { server, storage, save } = await open(t);
    const id = await save();
    server.failNext({ kind: "truncate" }, { times: 2 });
    assertSameBytes(await storage.getImage(id), BYTES);
    server.failNext({ kind: "truncate" }, { times: 3 });
    await assert.rejects(storage.getImage(id), isErrorWithCode("storage_unavailable"));
  });

  it("reads an open picture on where a body broke off", async (t) => {
    const { server, storage } = await open(t);
    const id = createImageId(NOW_MS);
    const bytes = createSampleImage(500_000);
    await storage.saveImage(bytes, id, {});
    server.operations.length = 0;
    server.failNext({ kind: "truncate" }, { times: 2, operation: "GetObject" });
    const image = await storage.openImage(id);
    const read = Buffer.alloc(bytes.length);
    for (let start = 0; start < bytes.length; start += 100_000)
      await image?.read(read.subarray(start, start + 100_000), start);
    image?.close();
    assertSameBytes(read, bytes);
    assert.deepEqual(server.operations, ["GetObject", "GetObject", "GetObject"]);
  });

  it("frees the connection of an open picture that nobody reads to its end", async (t) => {
    const { storage } = await open(t);
    const id = createImageId(NOW_MS);
    await storage.saveImage(createSampleImage(2_000_000), id, {});
    for (let round = 0; round < 70; round++) {
      // more than the client has connections
      const image = await storage.openImage(id);
      if (round % 2 === 0) await image?.read(Buffer.alloc(10), 0);
      image?.close();
    }
    assert.equal((await storage.getImage(id))?.length, 2_000_000);
  });

  it("knows its own picture when the answer to the save was lost", async (t) => {
    const { server, storage } = await open(t);
    for (const metadata of [{}, LONG_METADATA]) {
      const id = createImageId(NOW_MS);
      if (metadata === LONG_METADATA) server.failNext({ kind: "reset", isDone: true }, { operation: "PutObject" });
      server.failNext({ kind: "reset", isDone: true }, { operation: "PutObject" });
      await storage.saveImage(BYTES, id, metadata);
      assertSameBytes(await storage.getImage(id), BYTES);
    }
  });

  it("says storage_timeout in the set time when no answer, or no end of it, comes", async (t) => {
    const { server, save } = await open(t);
    const id = await save();
    const storage = createStorage(server, { timeoutSeconds: 0.3 });
    t.after(async () => storage.close());
    const calls = [
      async () => storage.getImage(id),
      async () => storage.saveImage(BYTES, createImageId(NOW_MS), {}),
      async () => storage.findImages(),
      async () => storage.cleanupExpiredImages(0),
      async () => storage.checkHealth(),
    ];
    for (const fault of [{ kind: "hang" }, { kind: "stall" }] as const) {
      for (const call of fault.kind === "hang" ? calls : calls.slice(0, 1)) {
        server.failNext(fault, { times: 3 });
        const startedAtMs = performance.now();
        await assert.rejects(call(), isErrorWithCode("storage_timeout"));
        assert.equal(performance.now() - startedAtMs < 2000, true);
        server.clearFaults();
      }
    }
    assertSameBytes(await storage.getImage(id), BYTES);
  });

  it("ends a request, and frees its connection, when the signal aborts", async (t) => {
    const { server, storage, save } = await open(t);
    const id = await save();
    const reason = new Error("the caller left");
    for (let round = 0; round < 70; round++) {
      // more than the client has connections
      server.failNext({ kind: round % 2 === 0 ? "hang" : "stall" });
      const controller = new AbortController();
      const reading = storage.getImage(id, { signal: controller.signal });
      await server.waitForOperation();
      controller.abort(reason);
      await assert.rejects(reading, (error) => error === reason);
    }
    assertSameBytes(await storage.getImage(id), BYTES);
  });

  it("says what is wrong, names the bucket and never a key", async (t) => {
    const { server } = await open(t);
    const answers: [FakeS3Fault, string, RegExp][] = [
      [{ kind: "error", status: 404, code: "NoSuchBucket" }, "storage_unavailable", /the bucket does not exist/],
      [{ kind: "error", status: 403, code: "AccessDenied" }, "storage_unavailable", /access is denied/],
      [{ kind: "error", status: 403, code: "InvalidAccessKeyId" }, "storage_unavailable", /credentials are wrong/],
      [{ kind: "error", status: 403, code: "SignatureDoesNotMatch" }, "storage_unavailable", /credentials are wrong/],
      [{ kind: "error", status: 301, code: "PermanentRedirect" }, "storage_unavailable", /another region/],
      [{ kind: "error", status: 507, code: "InsufficientCapacity" }, "storage_full", /full/],
      [{ kind: "error", status: 400, code: "EntityTooLarge" }, "storage_write_failed", /EntityTooLarge, HTTP 400/],
    ];
    for (const [fault, code, words] of answers) {
      const storage = createStorage(server);
      t.after(async () => storage.close());
      server.failNext(fault, { times: 3 });
      const saving = storage.saveImage(BYTES, createImageId(NOW_MS), {});
      await assert.rejects(saving, (error) => {
        assert.ok(error instanceof MCPImageError);
        assert.equal(error.code, code);
        assert.match(error.message, words);
        assert.match(error.message, /^Cannot save image "img_\w{26}" in bucket "pictures" at 127\.0\.0\.1:\d+: /);
        assertWithoutKeys(error);
        return true;
      });
      server.clearFaults();
    }
  });

  it("says storage_unavailable when nobody listens and when the keys are wrong", async (t) => {
    const { server } = await open(t);
    const wrong = createStorage(server, { accessKeyId: "AKIAOTHER" });
    const nobody = await startServer(t);
    await nobody.close();
    for (const storage of [wrong, createStorage(nobody)]) {
      t.after(async () => storage.close());
      const calls = [
        async () => storage.getImage(createImageId(0)),
        async () => storage.findImages(),
        async () => storage.checkHealth(),
      ];
      for (const call of calls) {
        await assert.rejects(call, (error) => {
          assertWithoutKeys(error);
          return isErrorWithCode("storage_unavailable")(error);
        });
      }
    }
  });

  it("signs with the session token of temporary keys", async (t) => {
    const server = await startServer(t, { sessionToken: "the-session" });
    const storage = createStorage(server, { sessionToken: "the-session" });
    t.after(async () => storage.close());
    await storage.checkHealth();
    const without = createStorage(server);
    t.after(async () => without.close());
    await assert.rejects(without.checkHealth(), isErrorWithCode("storage_unavailable"));
  });

  it("asks the default chain for keys when it was given none", async (t) => {
    const server = await startServer(t);
    const { accessKeyId: _id, secretAccessKey: _secret, ...options } = optionsFor(server);
    const names = [
      "AWS_ACCESS_KEY_ID",
      "AWS_SECRET_ACCESS_KEY",
      "AWS_EC2_METADATA_DISABLED",
      "AWS_CONFIG_FILE",
      "HOME",
    ];
    const before = names.map((name) => [name, process.env[name]] as const);
    t.after(() => {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    });
    for (const name of names) delete process.env[name];
    process.env["AWS_EC2_METADATA_DISABLED"] = "true";
    process.env["HOME"] = "/nonexistent";
    const without = new S3Storage(options);
    t.after(async () => without.close());
    await assert.rejects(without.checkHealth(), (error) => {
      assert.match(String(error), /Cannot use the storage in bucket "pictures" at [\d.:]+: no credentials were found$/);
      return isErrorWithCode("storage_unavailable")(error);
    });
    process.env["AWS_ACCESS_KEY_ID"] = FAKE_S3_ACCESS_KEY_ID;
    process.env["AWS_SECRET_ACCESS_KEY"] = FAKE_S3_SECRET_ACCESS_KEY;
    const storage = new S3Storage(options);
    t.after(async () => storage.close());
    assert.equal(await storage.checkHealth(), undefined);
  });

  it("refuses half a pair of keys", async (t) => {
    const { server } = await open(t);
    const options = { bucket: BUCKET, baseUrl: "", endpointUrl: server.url, accessKeyId: "AKIAFAKE" };
    assert.throws(() => new S3Storage(options), isErrorWithCode("configuration_invalid"));
  });

  it("deletes nothing by age when the server's clock says another time", async (t) => {
    const nowMs = systemClock.nowMs();
    const server = await startServer(t, { clock: createFakeClock({ nowMs: nowMs - 3 * HOUR_MS }) });
    const storage = createStorage(server, { clock: systemClock });
    t.after(async () => storage.close());
    await storage.saveImage(BYTES, createImageId(nowMs - 2 * HOUR_MS), {});
    await assert.rejects(storage.cleanupExpiredImages(3600), isErrorWithCode("storage_delete_failed"));
    assert.equal((await storage.findImages()).records.length, 1);
    assert.equal(await storage.cleanupExpiredImages(24 * 3600), 0);
  });
});

function keyOf(server: FakeS3Server, id: string): string {
  const key = [...(server.buckets.get(BUCKET)?.keys() ?? [])].find((each) => each.endsWith(id));
  return key?.slice(PREFIX.length) ?? "";
}

function assertWithoutKeys(error: unknown): void {
  const shown = inspect(error, { depth: 10, showHidden: true });
  for (const secret of [FAKE_S3_ACCESS_KEY_ID, FAKE_S3_SECRET_ACCESS_KEY, "AKIAOTHER"]) {
    assert.equal(shown.includes(secret), false);
  }
}
