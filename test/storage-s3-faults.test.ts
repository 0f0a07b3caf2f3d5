import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../src/core/clock.ts";
import { MCPImageError } from "../src/core/errors.ts";
import { createImageId } from "../src/core/image-id.ts";
import { systemRandom } from "../src/core/random.ts";
import { S3Storage } from "../src/storage/s3-storage.ts";
import {
  FAKE_S3_ACCESS_KEY_ID,
  FAKE_S3_SECRET_ACCESS_KEY,
  startFakeS3Server,
  type FakeS3Fault,
} from "../src/testing/fake-s3-server.ts";
import { isErrorWithCode } from "../src/testing/error-with-code.ts";
import { createFakeClock } from "../src/testing/fake-clock.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";

/** `PROVE=1`: of each fault. */
const ROUNDS = process.env["PROVE"] === "1" ? 50 : 5;

const FAULTS: Readonly<Record<string, FakeS3Fault>> = {
  SlowDown: { kind: "error", status: 503, code: "SlowDown" },
  InternalError: { kind: "error", status: 500, code: "InternalError" },
  RequestTimeTooSkewed: { kind: "error", status: 403, code: "RequestTimeTooSkewed" },
  NoSuchBucket: { kind: "error", status: 404, code: "NoSuchBucket" },
  "a reset before the work": { kind: "reset", isDone: false },
  "a reset after the work": { kind: "reset", isDone: true },
  "a hang": { kind: "hang" },
  "an answer that stalls": { kind: "stall" },
  "an answer that breaks off": { kind: "truncate" },
};

/** What it gave, or `failed` for an error of ours; any other error is a bug. */
async function attempt<Result>(work: Promise<Result>): Promise<Result | "failed"> {
  try {
    return await work;
  } catch (error) {
    assert.ok(error instanceof MCPImageError, String(error));
    assert.notEqual(error.code, "internal");
    return "failed";
  }
}

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`S3Storage loses nothing acknowledged and reads nothing half through ${name}, ${ROUNDS} times`, async (t) => {
    await using server = await startFakeS3Server({ buckets: ["pictures"] });
    const options = {
      bucket: "pictures",
      endpointUrl: server.url,
      accessKeyId: FAKE_S3_ACCESS_KEY_ID,
      secretAccessKey: FAKE_S3_SECRET_ACCESS_KEY,
      baseUrl: "",
    };
    await using hasty = new S3Storage({ ...options, timeoutSeconds: 0.4 });
    await using patient = new S3Storage(options);
    const [acknowledged, refused] = [new Map<string, Buffer>(), new Map<string, Buffer>()];
    let failures = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const id = createImageId(systemClock.nowMs());
      const bytes = createSampleImage(20_000 + round, "png", round);
      const fail = (): void => server.failNext(fault, { times: 1 + Math.floor(systemRandom.fraction() * 4) });
      if (round % 2 === 1) fail(); // the others are there to be lost
      const saved = await attempt(hasty.storeImage(bytes, id, { prompt: "a cat" }));
      server.clearFaults();
      (saved === "failed" ? refused : acknowledged).set(id, bytes);
      const [known] = [...acknowledged.keys()].slice(-1);
      fail();
      const read = known === undefined ? undefined : await attempt(hasty.readImage(known));
      server.clearFaults();
      if (known !== undefined && read !== "failed")
        assert.equal(read?.imageData.equals(acknowledged.get(known) ?? bytes), true);
      fail();
      const page = await attempt(hasty.findImages({ limit: 5 }));
      server.clearFaults();
      if (page !== "failed") for (const record of page.records) assert.equal(record["prompt"], "a cat");
      fail();
      const deleted = await attempt(hasty.cleanupExpiredImages(3600));
      server.clearFaults();
      assert.equal(deleted === 0 || deleted === "failed", true);
      for (const outcome of [saved, read, page, deleted]) if (outcome === "failed") failures++;
    }
    for (const [id, bytes] of acknowledged) assert.equal((await patient.getImage(id))?.equals(bytes), true, id);
    for (const [id, bytes] of refused) {
      const stored = await patient.getImage(id);
      assert.equal(stored === undefined || stored.equals(bytes), true, id);
    }
    t.diagnostic(
      `figure: S3, ${name}: ${acknowledged.size} of ${ROUNDS} saves acknowledged, ${failures} operations failed`,
    );
  });
}

test("S3Storage deletes nothing by age while its clock and the server's differ", async () => {
  const serverClock = createFakeClock({ nowMs: systemClock.nowMs() - 2 * 3_600_000 });
  await using server = await startFakeS3Server({ buckets: ["pictures"], clock: serverClock });
  await using storage = new S3Storage({
    bucket: "pictures",
    endpointUrl: server.url,
    accessKeyId: FAKE_S3_ACCESS_KEY_ID,
    secretAccessKey: FAKE_S3_SECRET_ACCESS_KEY,
    baseUrl: "",
  });
  const ids = Array.from({ length: ROUNDS }, (_, index) => createImageId(systemClock.nowMs() - 3_700_000 - index));
  for (const id of ids) await storage.saveImage(createSampleImage(), id, {});
  await assert.rejects(storage.cleanupExpiredImages(3600), isErrorWithCode("storage_delete_failed"));
  assert.equal((await storage.findImages({ limit: 1000 })).records.length, ROUNDS);
});
