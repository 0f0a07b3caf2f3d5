import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createImageId } from "../core/image-id.ts";
import type { JobRecord, JobRecords } from "../storage/job-records.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

/** What every driver of job records promises. `open` gives one more view on the same store. */
export function testJobRecords(name: string, open: () => Promise<JobRecords>): void {
  const createRecord = (createdAtMs = NOW_MS): JobRecord => ({
    imageId: createImageId(createdAtMs),
    state: { status: "running", aliveUntilMs: NOW_MS + 30_000 },
    metadata: { prompt: "a fox, naïve 🦊", step: 3 },
  });

  describe(`${name} as job records`, () => {
    test("gives back what was written last, through every view on the store", async () => {
      await using records = await open();
      await using other = await open();
      const record = createRecord();
      await records.writeJob(record);
      assert.deepEqual(await other.readJob(record.imageId), record);
      for (const state of [
        { status: "cancelling", aliveUntilMs: NOW_MS + 1 },
        {
          status: "failed",
          error: { error: "queue_timeout", message: "No", retryable: true, details: { ahead: 3 } },
          endedAtMs: 1_772_375_700_123,
        },
      ] as const) {
        await other.writeJob({ ...record, state });
        assert.deepEqual(await records.readJob(record.imageId), { ...record, state });
      }
    });

    test("gives undefined for a job that it does not know, and deletes twice", async () => {
      await using records = await open();
      const record = createRecord();
      assert.equal(await records.readJob(record.imageId), undefined);
      await records.deleteJob(record.imageId);
      await records.writeJob(record);
      await records.deleteJob(record.imageId);
      assert.equal(await records.readJob(record.imageId), undefined);
    });

    test("never calls a job absent that is recorded", async () => {
      await using records = await open();
      const record = createRecord();
      assert.equal(typeof records.isAbsent(record.imageId), "boolean");
      await records.writeJob(record);
      assert.equal(records.isAbsent(record.imageId), false);
    });

    test("deletes the records of old jobs alone", async () => {
      await using records = await open();
      await records.deleteJobsBefore(NOW_MS + HOUR_MS);
      const [old, older, young] = [createRecord(), createRecord(NOW_MS - HOUR_MS), createRecord(NOW_MS + HOUR_MS)];
      for (const record of [young, old, older]) await records.writeJob(record);
      assert.equal(await records.deleteJobsBefore(NOW_MS + 1), 2);
      assert.equal(await records.deleteJobsBefore(NOW_MS + 1), 0);
      assert.equal(await records.readJob(old.imageId), undefined);
      assert.deepEqual(await records.readJob(young.imageId), young);
    });

    test("does nothing for a signal that has aborted", async () => {
      await using records = await open();
      const record = createRecord();
      const signal = AbortSignal.abort(new Error("Enough"));
      await assert.rejects(records.writeJob(record, { signal }), /Enough/);
      await assert.rejects(records.readJob(record.imageId, { signal }), /Enough/);
      assert.equal(await records.readJob(record.imageId), undefined);
    });
  });
}
