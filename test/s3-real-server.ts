import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, it } from "node:test";
import { CreateBucketCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { createImageId } from "../src/core/image-id.ts";
import { S3Storage, type S3StorageOptions } from "../src/storage/s3-storage.ts";
import { isErrorWithCode } from "../src/testing/error-with-code.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { testStorage } from "../src/testing/test-storage.ts";

/** Run by `npm run test:s3`, which starts the server; any other S3 server can be named by the same variables. */
const endpointUrl = required("S3_TEST_ENDPOINT_URL");
const accessKeyId = required("S3_TEST_ACCESS_KEY_ID");
const secretAccessKey = required("S3_TEST_SECRET_ACCESS_KEY");
const bucket = `pictures-${randomUUID()}`;

const client = new S3Client({
  endpoint: endpointUrl,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId, secretAccessKey },
  requestChecksumCalculation: "WHEN_REQUIRED",
});

function createStorage(options: Partial<S3StorageOptions> = {}): S3Storage {
  const prefix = `${randomUUID()}/`;
  return new S3Storage({ bucket, prefix, endpointUrl, accessKeyId, secretAccessKey, baseUrl: "", ...options });
}

before(async () => {
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
});

testStorage("S3Storage on a real server", ({ clock, limits, baseUrl }) => createStorage({ clock, limits, baseUrl }), {
  countsDeletesExactly: false,
  holdsLimits: true,
});

describe("S3Storage on a real server, in particular", () => {
  it("says storage_unavailable for a bucket that is not there and for wrong keys", async () => {
    for (const options of [{ bucket: "no-such-bucket" }, { secretAccessKey: "wrong" }, { accessKeyId: "wrong" }]) {
      await using storage = createStorage(options);
      const id = createImageId(0);
      await assert.rejects(storage.saveImage(createSampleImage(), id, {}), isErrorWithCode("storage_unavailable"));
      await assert.rejects(storage.getImage(id), isErrorWithCode("storage_unavailable"));
      await assert.rejects(storage.findImages(), isErrorWithCode("storage_unavailable"));
      await assert.rejects(storage.cleanupExpiredImages(0), isErrorWithCode("storage_unavailable"));
      await assert.rejects(storage.checkHealth(), isErrorWithCode("storage_unavailable"));
    }
  });

  it("leaves foreign keys alone, however they are spelt", async () => {
    const prefix = `${randomUUID()}/`;
    await using storage = createStorage({ prefix });
    const foreign = ["0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11.png", "zzzzzzzzzz-x", "ä ü+&<>\u0001", "readme.md", "0"];
    for (const key of foreign) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}${key}`, Body: Buffer.from("x") }));
    }
    const id = createImageId(1000);
    await storage.saveImage(createSampleImage(), id, {});
    assert.deepEqual(
      (await storage.findImages()).records.map((record) => record.image_id),
      [id],
    );
    assert.equal(await storage.cleanupExpiredImages(0), 1);
    assert.deepEqual(await storage.findImages(), { records: [] });
    const left = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, EncodingType: "url" }));
    assert.equal(left.KeyCount, foreign.length);
  });

  it("deletes more than 1,000 expired pictures and leaves no long record behind", async () => {
    const prefix = `${randomUUID()}/`;
    await using storage = createStorage({ prefix });
    const noise = createSampleImage(3000).toString("base64");
    for (let batch = 0; batch < 21; batch++) {
      const save = async (index: number): Promise<unknown> => {
        const metadata = index < 10 ? { noise } : {};
        return storage.saveImage(createSampleImage(), createImageId(1000 + batch * 50 + index), metadata);
      };
      await Promise.all(Array.from({ length: 50 }, async (_, index) => save(index)));
    }
    assert.equal(await storage.cleanupExpiredImages(0), 1050);
    const left = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
    assert.equal(left.KeyCount, 0);
  });
});

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set; use npm run test:s3`);
  return value;
}
