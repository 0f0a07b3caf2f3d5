import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  CreateBucketCommand,
  GetBucketLifecycleConfigurationCommand,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { systemClock } from "../src/core/clock.ts";
import { createImageId } from "../src/core/image-id.ts";
import { toKeySpaces } from "../src/storage/s3-records.ts";
import { S3Storage, type S3StorageOptions } from "../src/storage/s3-storage.ts";
import { isErrorWithCode } from "../src/testing/error-with-code.ts";
import { assertSameBytes } from "../src/testing/same-bytes.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import { testStorage } from "../src/testing/test-storage.ts";
import { SharedStorage, StorageProcesses } from "./support/shared-storage.ts";

/** Run by `npm run test:s3`, which starts the server; any other S3 server can be named by the same variables. */
const endpointUrl = required("S3_TEST_ENDPOINT_URL");
const accessKeyId = required("S3_TEST_ACCESS_KEY_ID");
const secretAccessKey = required("S3_TEST_SECRET_ACCESS_KEY");
/** Keys of a user named `limited`, who has no rights of its own. */
const limited = readKeys("S3_TEST_LIMITED_ACCESS_KEY_ID", "S3_TEST_LIMITED_SECRET_ACCESS_KEY");
/** It knows neither conditional writes nor lifecycle rules. */
const isSwift = process.env["S3_TEST_SERVER"] === "swift";
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
  savesExclusively: !isSwift,
  holdsLimits: true,
});

const processes = new StorageProcesses(4);
after(async () => processes[Symbol.asyncDispose]());

// Without conditional writes two of them can lose what they keep and release in the same moment, as documented.
if (!isSwift) {
  testStorage(
    "S3Storage, four processes on one bucket of a real server",
    ({ clock, baseUrl }) => {
      const target = JSON.stringify({ bucket, prefix: `${randomUUID()}/`, endpointUrl, accessKeyId, secretAccessKey });
      return new SharedStorage({ processes, target, baseUrl, clock });
    },
    { countsDeletesExactly: false },
  );
}

describe("S3Storage on a real server, in particular", () => {
  it("takes over the lock of a process that died at work", async () => {
    const prefix = `${randomUUID()}/`;
    await using storage = createStorage({ prefix });
    const id = createImageId(systemClock.nowMs());
    await storage.saveImage(createSampleImage(), id, {});
    const { locks } = toKeySpaces(prefix);
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: locks.toImageKey(id), Body: Buffer.from("dead") }));
    assert.equal(await storage.keepImage(id, true), true);
    assert.equal((await storage.readRecord(id))?.kept, true);
    const left = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: locks.prefix }));
    assert.equal(left.KeyCount, 0);
  });

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

  it("needs no more rights than docs/s3.md names", { skip: limited === undefined }, async () => {
    const guide = readFileSync(resolve(import.meta.dirname, "../docs/s3.md"), "utf8");
    const [, json = ""] = /^```json\n(.*?)^```/ms.exec(guide) ?? [];
    const prefix = "mcp-images/";
    const policy: { Statement: object[] } = JSON.parse(
      json.replaceAll("arn:aws:s3:::pictures", `arn:aws:s3:::${bucket}`),
    );
    const Principal = { AWS: ["arn:aws:iam:::user/limited"] };
    const Statement = policy.Statement.map((statement) => ({ ...statement, Principal }));
    const Policy = JSON.stringify({ ...policy, Statement });
    await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
    await using storage = createStorage({ prefix, ...limited });
    await storage.checkHealth();
    const [id, other] = [createImageId(1000), createImageId(2000)];
    for (const each of [id, other]) await storage.saveImage(createSampleImage(), each, { prompt: "x".repeat(20_000) });
    assertSameBytes(await storage.getImage(id), createSampleImage());
    await storage.keepImage(id, true);
    assert.equal((await storage.findImages()).records.length, 2);
    await storage.keepImage(id, false);
    assert.equal(await storage.deleteImage(id), true);
    assert.equal(await storage.getImage(id), undefined);
    assert.equal(await storage.cleanupExpiredImages(0), 1);
    await using elsewhere = createStorage({ prefix: "elsewhere/", ...limited });
    await assert.rejects(elsewhere.saveImage(createSampleImage(), id, {}), isErrorWithCode("storage_unavailable"));
    await assert.rejects(elsewhere.findImages(), isErrorWithCode("storage_unavailable"));
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

  it("gives an address in the bucket that opens one picture, for a while", async () => {
    await using storage = createStorage();
    const bytes = createSampleImage(50_000);
    const [{ record }, other] = [
      await storage.storeImage(bytes, createImageId(systemClock.nowMs()), {}),
      createImageId(0),
    ];
    const { url = "" } = (await storage.createDirectUrl(record, 60)) ?? {};
    const answer = await fetch(url);
    assertSameBytes(Buffer.from(await answer.arrayBuffer()), bytes);
    assert.equal(answer.headers.get("cache-control"), "private, max-age=60, immutable");
    assert.equal(answer.headers.get("content-type"), "image/png");
    assert.equal(answer.headers.get("content-disposition"), `inline; filename="${record.image_id}.png"`);
    const tampered = [
      url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
      url.replace(record.image_id, other),
      url.replace(/Signature=../, "Signature=00"),
    ];
    for (const each of tampered) assert.equal((await fetch(each)).status, 403, each);
    const { url: brief = "" } = (await storage.createDirectUrl(record, 1)) ?? {};
    const deadlineMs = systemClock.monotonicMs() + 20_000;
    while ((await fetch(brief)).status === 200 && systemClock.monotonicMs() < deadlineMs) await systemClock.sleep(200);
    assert.equal((await fetch(brief)).status, 403);
    await storage.keepImage(record.image_id, true);
    const kept = await storage.readRecord(record.image_id);
    const direct = kept && (await storage.createDirectUrl(kept, 60));
    assertSameBytes(Buffer.from(await (await fetch(direct?.url ?? "")).arrayBuffer()), bytes);
  });

  it("sets a lifecycle rule, once, beside those that the bucket has", { skip: isSwift }, async () => {
    const ruled = `ruled-${randomUUID()}`;
    await client.send(new CreateBucketCommand({ Bucket: ruled }));
    const foreign = {
      ID: "foreign",
      Status: "Enabled",
      Filter: { Prefix: "logs/" },
      Expiration: { Days: 30 },
    } as const;
    const LifecycleConfiguration = { Rules: [foreign] };
    await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket: ruled, LifecycleConfiguration }));
    await using storage = createStorage({ bucket: ruled });
    assert.equal(await storage.applyLifecycle(3600), "added");
    assert.equal(await storage.applyLifecycle(3600), "unchanged");
    assert.equal(await storage.applyLifecycle(3 * 86_400), "changed");
    const { Rules = [] } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: ruled }));
    assert.deepEqual(Object.fromEntries(Rules.map(({ ID = "", Expiration }) => [ID, Expiration?.Days])), {
      foreign: 30,
      [storage.describeLifecycle(0).ID ?? ""]: 4,
    });
  });

  it("says what fails where the server has no lifecycle rules", { skip: !isSwift }, async () => {
    await using storage = createStorage();
    await assert.rejects(storage.applyLifecycle(3600), isErrorWithCode("storage_write_failed"));
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

function readKeys(
  idName: string,
  secretName: string,
): Pick<S3StorageOptions, "accessKeyId" | "secretAccessKey"> | undefined {
  const [accessKeyId, secretAccessKey] = [process.env[idName], process.env[secretName]];
  return accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined;
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set; use npm run test:s3`);
  return value;
}
