import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createImageId, type ImageId } from "../core/image-id.ts";
import { getLogger } from "../logging/logger.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import {
  FAKE_S3_ACCESS_KEY_ID,
  FAKE_S3_SECRET_ACCESS_KEY,
  type FakeS3ServerOptions,
} from "../testing/fake-s3-server.ts";
import { BUCKET, NOW_MS, startS3Server } from "../testing/s3-bench.ts";
import { S3Bucket, type BucketCall } from "./s3-bucket.ts";
import { toCredentials } from "./s3-credentials.ts";
import { S3Leases } from "./s3-leases.ts";
import { toKeySpaces } from "./s3-records.ts";

const CALL: BucketCall = { operation: "storage_write_failed", message: "Cannot keep image", signal: undefined };
const LEASE_MS = 200;

interface LeaseBench {
  readonly id: ImageId;
  /** The leases of one more process. */
  readonly createLeases: () => S3Leases;
  readonly locks: () => string[];
  /** What a process leaves that dies at work. */
  readonly leaveLock: () => void;
}

async function createBench(t: TestContext, leaseMs = LEASE_MS, options: FakeS3ServerOptions = {}): Promise<LeaseBench> {
  const server = await startS3Server(t, options);
  const id = createImageId(NOW_MS);
  const keys = toKeySpaces("").locks;
  let deaths = 0;
  const objects = server.buckets.get(BUCKET);
  assert.ok(objects);
  return {
    id,
    createLeases: () => {
      const bucket = new S3Bucket({
        bucket: BUCKET,
        endpointUrl: server.url,
        regionName: "us-east-1",
        credentials: toCredentials({
          accessKeyId: FAKE_S3_ACCESS_KEY_ID,
          secretAccessKey: FAKE_S3_SECRET_ACCESS_KEY,
        }),
        timeoutMs: 10_000,
        attemptTimeoutMs: 5_000,
        logger: getLogger("storage"),
        onStorageDate: () => undefined,
      });
      t.after(async () => bucket.close());
      return new S3Leases({ bucket, keys, logger: getLogger("storage"), leaseMs });
    },
    locks: () => Array.from(objects.keys()),
    leaveLock: () => {
      const body = Buffer.from(`dead ${deaths++}`);
      objects.set(keys.toImageKey(id), { body, contentType: "text/plain", metadata: {}, modifiedAtMs: NOW_MS });
    },
  };
}

suite("S3Leases", () => {
  test("let one process after the other work on a picture, and leave nothing behind", async (t) => {
    const { id, createLeases, locks } = await createBench(t, 10_000);
    let atWork = 0;
    const workers = Array.from({ length: 6 }, async () =>
      createLeases().hold(id, CALL, async () => {
        assert.equal(++atWork, 1);
        await sleep(5);
        return atWork--;
      }),
    );
    assert.deepEqual(await Promise.all(workers), [1, 1, 1, 1, 1, 1]);
    assert.deepEqual(locks(), []);
  });

  test("take over what a dead process left, once it has stayed the same for longer than a lease, one of many", async (t) => {
    const { id, createLeases, leaveLock, locks } = await createBench(t, 1000);
    leaveLock();
    const startedAtMs = performance.now();
    let atWork = 0;
    const workers = Array.from({ length: 3 }, async () =>
      createLeases().hold(id, CALL, async () => {
        assert.equal(++atWork, 1);
        await sleep(5);
        atWork--;
      }),
    );
    await Promise.all(workers);
    assert.ok(performance.now() - startedAtMs >= 1500);
    assert.deepEqual(locks(), []);
  });

  test("take over a lock of a store without conditions, too", async (t) => {
    const { id, createLeases, leaveLock, locks } = await createBench(t, LEASE_MS, { supportsConditionalWrites: false });
    leaveLock();
    assert.equal(await createLeases().hold(id, CALL, async () => "done"), "done");
    assert.deepEqual(locks(), []);
  });

  test("abort work that takes longer than a lease, and leave the lock to whoever may have it by then", async (t) => {
    const { id, createLeases, locks } = await createBench(t);
    const slow = createLeases().hold(id, CALL, async ({ signal }) => sleep(60_000, undefined, { signal }));
    await assert.rejects(slow, isErrorWithCode("storage_write_failed"));
    assert.equal(locks().length, 1);
    assert.equal(await createLeases().hold(id, CALL, async () => "done"), "done");
  });

  test("give up after a while when there are always others, and at once when the caller does", async (t) => {
    const { id, createLeases, leaveLock, locks } = await createBench(t);
    leaveLock();
    const controller = new AbortController();
    const left = createLeases().hold(id, { ...CALL, signal: controller.signal }, async () => "done");
    setTimeout(() => controller.abort(new Error("gone")), 20);
    await assert.rejects(left, /gone/);
    assert.equal(locks().length, 1);
    const others = setInterval(leaveLock, 10); // as if each of many had its turn
    t.after(() => clearInterval(others));
    await assert.rejects(
      createLeases().hold(id, CALL, async () => "done"),
      isErrorWithCode("storage_write_failed"),
    );
  });

  test("pass on what the work fails with, and let the next one work", async (t) => {
    const { id, createLeases, locks } = await createBench(t);
    const failing = createLeases().hold(id, CALL, async () => Promise.reject(new Error("no")));
    await assert.rejects(failing, /^Error: no$/);
    assert.deepEqual(locks(), []);
  });
});
