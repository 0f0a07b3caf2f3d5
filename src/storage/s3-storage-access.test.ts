import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { inspect } from "node:util";
import { systemClock } from "../core/clock.ts";
import { MCPImageError } from "../core/errors.ts";
import { createImageId } from "../core/image-id.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { FAKE_S3_ACCESS_KEY_ID, FAKE_S3_SECRET_ACCESS_KEY, type FakeS3Fault } from "../testing/fake-s3-server.ts";
import {
  BUCKET,
  BYTES,
  NOW_MS,
  createS3Storage,
  openS3Storage,
  startS3Server,
  toS3Options,
} from "../testing/s3-bench.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";
import { S3Storage } from "./s3-storage.ts";

const HOUR_MS = 3_600_000;

describe("S3Storage and who may use the bucket", () => {
  it("says what is wrong, names the bucket and never a key", async (t) => {
    const { server } = await openS3Storage(t);
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
      const storage = createS3Storage(server);
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

  it("deletes also where the store is too full to write anything, and keeps nothing there", async (t) => {
    const { server, storage, save, keys } = await openS3Storage(t);
    const [id, other] = [await save(), await save()];
    const full: FakeS3Fault = { kind: "error", status: 403, code: "QuotaExceeded" };
    server.failNext(full, { times: 100, operation: "PutObject" });
    await assert.rejects(storage.keepImage(id, true), isErrorWithCode("storage_full"));
    assertSameBytes(await storage.getImage(id), BYTES);
    assert.equal(await storage.deleteImage(id), true);
    assert.equal(keys().length, 1);
    server.clearFaults();
    assert.equal(await storage.keepImage(other, true), true);
  });

  it("says storage_unavailable when nobody listens and when the keys are wrong", async (t) => {
    const { server } = await openS3Storage(t);
    const wrong = createS3Storage(server, { accessKeyId: "AKIAOTHER" });
    const nobody = await startS3Server(t);
    await nobody.close();
    for (const storage of [wrong, createS3Storage(nobody)]) {
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
    const server = await startS3Server(t, { sessionToken: "the-session" });
    const storage = createS3Storage(server, { sessionToken: "the-session" });
    t.after(async () => storage.close());
    await storage.checkHealth();
    const without = createS3Storage(server);
    t.after(async () => without.close());
    await assert.rejects(without.checkHealth(), isErrorWithCode("storage_unavailable"));
  });

  it("asks the default chain for keys when it was given none", async (t) => {
    const server = await startS3Server(t);
    const { accessKeyId: _id, secretAccessKey: _secret, ...options } = toS3Options(server);
    setCredentials(t, {});
    const without = new S3Storage(options);
    t.after(async () => without.close());
    await assert.rejects(without.checkHealth(), (error) => {
      assert.match(String(error), /Cannot use the storage in bucket "pictures" at [\d.:]+: no credentials were found$/);
      return isErrorWithCode("storage_unavailable")(error);
    });
    setCredentials(t, FAKE_CREDENTIALS);
    const storage = new S3Storage(options);
    t.after(async () => storage.close());
    assert.equal(await storage.checkHealth(), undefined);
  });

  it("gives addresses that end no later than the keys that signed them", async (t) => {
    const server = await startS3Server(t);
    const { accessKeyId: _id, secretAccessKey: _secret, ...options } = toS3Options(server);
    const expiresAtMs = systemClock.nowMs() + 100_000;
    setCredentials(t, { ...FAKE_CREDENTIALS, AWS_CREDENTIAL_EXPIRATION: new Date(expiresAtMs).toISOString() });
    await using storage = new S3Storage(options);
    const { record } = await storage.storeImage(BYTES, createImageId(NOW_MS), {});
    const secondsOf = async (most: number): Promise<number> => {
      const direct = await storage.createDirectUrl(record, most);
      return Number(new URL(direct?.url ?? "").searchParams.get("X-Amz-Expires"));
    };
    assert.equal(await secondsOf(50), 50);
    const capped = await secondsOf(3600);
    assert.equal(capped > 60 && capped <= 100, true, String(capped));
  });

  it("refuses half a pair of keys", async (t) => {
    const { server } = await openS3Storage(t);
    const options = { bucket: BUCKET, baseUrl: "", endpointUrl: server.url, accessKeyId: "AKIAFAKE" };
    assert.throws(() => new S3Storage(options), isErrorWithCode("configuration_invalid"));
  });

  it("deletes nothing by age when the server's clock says another time", async (t) => {
    const nowMs = systemClock.nowMs();
    const server = await startS3Server(t, { clock: createFakeClock({ nowMs: nowMs - 3 * HOUR_MS }) });
    const storage = createS3Storage(server, { clock: systemClock });
    t.after(async () => storage.close());
    await storage.saveImage(BYTES, createImageId(nowMs - 2 * HOUR_MS), {});
    await assert.rejects(storage.cleanupExpiredImages(3600), isErrorWithCode("storage_delete_failed"));
    assert.equal((await storage.findImages()).records.length, 1);
    assert.equal(await storage.cleanupExpiredImages(24 * 3600), 0);
  });
});

function assertWithoutKeys(error: unknown): void {
  const shown = inspect(error, { depth: 10, showHidden: true });
  for (const secret of [FAKE_S3_ACCESS_KEY_ID, FAKE_S3_SECRET_ACCESS_KEY, "AKIAOTHER"]) {
    assert.equal(shown.includes(secret), false);
  }
}

const FAKE_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: FAKE_S3_ACCESS_KEY_ID,
  AWS_SECRET_ACCESS_KEY: FAKE_S3_SECRET_ACCESS_KEY,
};

/** What the default chain finds until the test ends: these variables, and nothing else. */
function setCredentials(t: TestContext, variables: Readonly<Record<string, string>>): void {
  const names = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_CREDENTIAL_EXPIRATION",
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
  Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: "true", HOME: "/nonexistent", ...variables });
}
