import assert from "node:assert/strict";
import { test } from "node:test";
import { getLogger } from "../logging/logger.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { StorageQuota, type StorageLimits } from "./storage-quota.ts";

function createQuota(limits: StorageLimits) {
  const disk = { used: 0, free: 1000, refreshes: 0 };
  const clock = createFakeClock();
  const quota = new StorageQuota({
    limits: { reservedBytes: 100, ...limits },
    counter: {
      get tally() {
        return { images: 0, bytes: disk.used, keptImages: 0, keptBytes: 0 };
      },
      refresh: async () => void disk.refreshes++,
    },
    evictOldest: async (bytes) => {
      disk.free += bytes;
      return { images: 1, bytes };
    },
    readFreeBytes: async () => disk.free,
    clock,
    logger: getLogger("test"),
  });
  return { quota, disk, clock };
}

test("StorageQuota without limits counts nothing", async () => {
  const { quota, disk } = createQuota({});
  await quota.admit(1e12, undefined);
  await quota.reserve(undefined);
  assert.equal(disk.refreshes, 0);
});

test("StorageQuota leaves the minimum free on the disk, also for jobs that draw", async () => {
  const { quota } = createQuota({ minFreeDiskBytes: 750 });
  using _first = await quota.reserve(undefined);
  using _second = await quota.reserve(undefined);
  await assert.rejects(quota.reserve(undefined), isErrorWithCode("storage_full"));
  await assert.rejects(quota.admit(251, undefined), isErrorWithCode("storage_full"));
  using _saving = await quota.admit(250, undefined);
  await assert.rejects(quota.admit(1, undefined), isErrorWithCode("storage_full"));
});

test("StorageQuota evicts what the minimum of free disk lacks, when it may", async () => {
  const { quota, disk } = createQuota({ minFreeDiskBytes: 990, whenFull: "evict_oldest" });
  await quota.reserve(undefined);
  assert.equal(disk.free, 1090);
});

test("StorageQuota looks at the store twice a minute, and each second while it is full", async () => {
  const { quota, disk, clock } = createQuota({ maxBytes: 1000 });
  for (let index = 0; index < 3; index++) (await quota.admit(10, undefined))[Symbol.dispose]();
  assert.equal(disk.refreshes, 1);
  await clock.advance(30_000);
  await Promise.all([quota.reserve(undefined), quota.reserve(undefined)]);
  assert.equal(disk.refreshes, 2);
  disk.used = 1000;
  await assert.rejects(quota.admit(10, undefined), isErrorWithCode("storage_full"));
  assert.equal(disk.refreshes, 2);
  await clock.advance(1000);
  for (let index = 0; index < 3; index++) {
    await assert.rejects(quota.admit(10, undefined), isErrorWithCode("storage_full"));
  }
  assert.equal(disk.refreshes, 3);
});
