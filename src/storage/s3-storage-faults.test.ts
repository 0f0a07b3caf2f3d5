import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createImageId } from "../core/image-id.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { type FakeS3Fault } from "../testing/fake-s3-server.ts";
import { BYTES, LONG_METADATA, NOW_MS, createS3Storage, openS3Storage } from "../testing/s3-bench.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";

const HOUR_MS = 3_600_000;

describe("S3Storage and servers that know less", () => {
  it("asks before it writes where If-None-Match is not implemented", async (t) => {
    const { server, storage, save } = await openS3Storage(t, { supportsConditionalWrites: false });
    const id = await save();
    await assert.rejects(storage.saveImage(BYTES, id, {}), isErrorWithCode("image_exists"));
    assert.deepEqual(server.operations, ["PutObject", "HeadObject", "PutObject", "HeadObject"]);
    assertSameBytes(await storage.getImage(id), BYTES);
  });

  it("cleans where DeleteObjects wants Content-MD5", async (t) => {
    const { storage, save } = await openS3Storage(t, { requiresContentMd5: true });
    await save(2 * HOUR_MS);
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
  });

  for (const [code, status] of [
    ["AccessDenied", 403],
    ["NotImplemented", 501],
  ] as const) {
    it(`deletes one by one where DeleteObjects is answered ${code}, and does not ask for it again`, async (t) => {
      const { server, storage, save } = await openS3Storage(t);
      for (const asked of [1, 0]) {
        await Promise.all(Array.from({ length: 20 }, async () => save(2 * HOUR_MS)));
        server.operations.length = 0;
        if (asked > 0) server.failNext({ kind: "error", status, code }, { operation: "DeleteObjects", times: 1 });
        assert.equal(await storage.cleanupExpiredImages(3600), 20);
        const count = (name: string): number => server.operations.filter((operation) => operation === name).length;
        assert.deepEqual([count("DeleteObjects"), count("DeleteObject")], [asked, 20]);
      }
    });
  }

  it("says that access is denied where nothing may be deleted, after one more try, and asks anew the next time", async (t) => {
    const { server, storage, save } = await openS3Storage(t);
    await Promise.all([save(2 * HOUR_MS), save(2 * HOUR_MS)]);
    server.operations.length = 0;
    const denied = { kind: "error", status: 403, code: "AccessDenied" } as const;
    server.failNext(denied, { operation: "DeleteObjects", times: 1 });
    server.failNext(denied, { operation: "DeleteObject", times: 1 });
    await assert.rejects(storage.cleanupExpiredImages(3600), isErrorWithCode("storage_unavailable"));
    assert.equal(await storage.cleanupExpiredImages(3600), 2);
    const deletions = server.operations.filter((operation) => operation.startsWith("Delete"));
    assert.deepEqual(deletions, ["DeleteObjects", "DeleteObject", "DeleteObjects"]);
  });

  it("asks for fewer deletions at once where as many take too long, from then on", async (t) => {
    const { server, save } = await openS3Storage(t);
    await using cleaner = createS3Storage(server, { timeoutSeconds: 3 });
    for (const hangs of [2, 0]) {
      await Promise.all(Array.from({ length: 120 }, async () => save(2 * HOUR_MS)));
      server.operations.length = 0;
      if (hangs > 0) server.failNext({ kind: "hang" }, { operation: "DeleteObjects", times: hangs });
      assert.equal(await cleaner.cleanupExpiredImages(3600), 120);
      const deletions = server.operations.filter((operation) => operation === "DeleteObjects");
      assert.equal(deletions.length, hangs + 3);
    }
  });
});

// Proves: STORAGE-15
describe("S3Storage on a bad day", () => {
  it("is patient with up to two failures of each kind", async (t) => {
    const { server, storage, save } = await openS3Storage(t);
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
    const { server, storage, save } = await openS3Storage(t, { timeoutSeconds: 3 });
    const id = await save();
    server.failNext({ kind: "hang" });
    assertSameBytes(await storage.getImage(id), BYTES);
    assert.deepEqual(server.operations, ["PutObject", "GetObject", "GetObject"]);
  });

  it("reads again when a body breaks off, and gives no half picture", async (t) => {
    const { server, storage, save } = await openS3Storage(t);
    const id = await save();
    server.failNext({ kind: "truncate" }, { times: 2 });
    assertSameBytes(await storage.getImage(id), BYTES);
    server.failNext({ kind: "truncate" }, { times: 3 });
    await assert.rejects(storage.getImage(id), isErrorWithCode("storage_unavailable"));
  });

  it("reads an open picture on where a body broke off", async (t) => {
    const { server, storage } = await openS3Storage(t);
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
    const { storage } = await openS3Storage(t);
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
    const { server, storage } = await openS3Storage(t);
    for (const metadata of [{}, LONG_METADATA]) {
      const id = createImageId(NOW_MS);
      if (metadata === LONG_METADATA) server.failNext({ kind: "reset", isDone: true }, { operation: "PutObject" });
      server.failNext({ kind: "reset", isDone: true }, { operation: "PutObject" });
      await storage.saveImage(BYTES, id, metadata);
      assertSameBytes(await storage.getImage(id), BYTES);
    }
  });

  it("says storage_timeout in the set time when no answer, or no end of it, comes", async (t) => {
    const { server, save } = await openS3Storage(t);
    const id = await save();
    const storage = createS3Storage(server, { timeoutSeconds: 0.3 });
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
    const { server, storage, save } = await openS3Storage(t);
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
});
