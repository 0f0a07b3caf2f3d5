import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createImageId } from "../core/image-id.ts";
import {
  FAKE_S3_ACCESS_KEY_ID,
  FAKE_S3_SECRET_ACCESS_KEY,
  startFakeS3Server,
  type FakeS3Server,
} from "../testing/fake-s3-server.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { testJobRecords } from "../testing/test-job-records.ts";
import { FileJobRecords } from "./file-job-records.ts";
import { FileStorage } from "./file-storage.ts";
import { parseJobText, type JobRecord } from "./job-records.ts";
import { MemoryJobRecords } from "./memory-job-records.ts";
import { S3JobRecords } from "./s3-job-records.ts";
import { S3Storage } from "./s3-storage.ts";

const RECORD: JobRecord = {
  imageId: createImageId(Date.UTC(2026, 0, 1)),
  state: { status: "running", aliveUntilMs: Date.UTC(2026, 0, 1) },
  metadata: { prompt: "a fox" },
};

const memory = new MemoryJobRecords();
testJobRecords("MemoryJobRecords", async () => memory);

describe("FileJobRecords", () => {
  let basePath = "";
  before(async () => {
    basePath = await mkdtemp(join(tmpdir(), "job-records-"));
  });
  after(async () => rm(basePath, { recursive: true }));
  testJobRecords("FileJobRecords", async () => new FileJobRecords({ basePath }));

  test("lies in a folder of its own that listings and cleanups of pictures leave alone", async () => {
    await using records = new FileJobRecords({ basePath });
    await records.writeJob(RECORD);
    await using storage = new FileStorage({ basePath, baseUrl: "" });
    const imageId = createImageId(Date.now());
    await storage.saveImage(createSampleImage(2000), imageId, {});
    assert.deepEqual(
      (await storage.listImages()).map(({ image_id }) => image_id),
      [imageId],
    );
    await storage.cleanupExpiredImages(0);
    assert.deepEqual(await records.readJob(RECORD.imageId), RECORD);
    assert.equal(
      (await readdir(join(basePath, "jobs"))).every((name) => name.endsWith(".json")),
      true,
    );
  });

  test("takes a record that is damaged, or of another job, for none", async () => {
    await using records = new FileJobRecords({ basePath });
    await records.writeJob(RECORD);
    const path = join(basePath, "jobs", `${RECORD.imageId}.json`);
    const other = createImageId(Date.now());
    for (const text of [
      "",
      "{",
      "[]",
      `{"image_id":"${other}","status":"running","alive_until":"2026-01-01T00:00:00.000Z","metadata":{}}`,
      `{"image_id":"${RECORD.imageId}","status":"running","alive_until":"soon","metadata":{}}`,
      `{"image_id":"${RECORD.imageId}","status":"running","alive_until":"2026-01-01T00:00:00.000Z"}`,
      `{"image_id":"${RECORD.imageId}","status":"done","metadata":{}}`,
      `{"image_id":"${RECORD.imageId}","status":"failed","error":{"error":"no_such_code"},"metadata":{}}`,
    ]) {
      await writeFile(path, text);
      assert.equal(await records.readJob(RECORD.imageId), undefined, text);
    }
  });
});

describe("S3JobRecords", () => {
  let server: FakeS3Server | undefined;
  const options = () => ({
    bucket: "pictures",
    prefix: "mcp-images/",
    endpointUrl: server?.url ?? "",
    accessKeyId: FAKE_S3_ACCESS_KEY_ID,
    secretAccessKey: FAKE_S3_SECRET_ACCESS_KEY,
  });
  before(async () => {
    server = await startFakeS3Server({ buckets: ["pictures"] });
  });
  after(async () => server?.close());
  testJobRecords("S3JobRecords", async () => new S3JobRecords(options()));

  test("lies behind the keys of the pictures, which listings and cleanups leave alone", async () => {
    await using records = new S3JobRecords(options());
    await records.writeJob(RECORD);
    await using storage = new S3Storage({ ...options(), baseUrl: "" });
    const imageId = createImageId(Date.now());
    await storage.saveImage(createSampleImage(2000), imageId, {});
    assert.deepEqual(
      (await storage.listImages()).map(({ image_id }) => image_id),
      [imageId],
    );
    const keys = [...(server?.buckets.get("pictures")?.keys() ?? [])].toSorted();
    assert.equal(keys.at(-1)?.startsWith("mcp-images/~jobs/img_"), true);
    assert.equal(keys[0]?.endsWith(imageId), true);
    await storage.cleanupExpiredImages(0);
    assert.deepEqual(await records.readJob(RECORD.imageId), RECORD);
  });

  test("says why a record could not be written", async () => {
    await using records = new S3JobRecords({ ...options(), bucket: "nowhere" });
    await assert.rejects(records.writeJob(RECORD), { name: "StorageError", code: "storage_unavailable" });
  });
});

test("a failure that an earlier version wrote is still one: it ended when it began, for all that is known", () => {
  const createdAtMs = Date.UTC(2026, 0, 2);
  const imageId = createImageId(createdAtMs);
  const error = { error: "queue_timeout", message: "No", retryable: true };
  assert.deepEqual(
    parseJobText(JSON.stringify({ image_id: imageId, status: "failed", error, metadata: {} }), imageId),
    {
      imageId,
      state: { status: "failed", error, endedAtMs: createdAtMs },
      metadata: {},
    },
  );
});
