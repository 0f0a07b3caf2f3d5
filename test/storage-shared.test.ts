import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { startS3Server, toS3Options } from "../src/testing/s3-bench.ts";
import { testStorage } from "../src/testing/test-storage.ts";
import { SharedStorage, StorageProcesses } from "./support/shared-storage.ts";

/** What is saved by one is read by the next, kept by a third and deleted by a fourth. */
const processes = new StorageProcesses(4);
after(async () => processes[Symbol.asyncDispose]());

testStorage("FileStorage, four processes on one folder", async ({ clock, baseUrl, test }) => {
  const folder = await mkdtemp(join(tmpdir(), "storage-shared-"));
  test.after(async () => rm(folder, { recursive: true, force: true }));
  return new SharedStorage({ processes, target: folder, baseUrl, clock });
});

testStorage(
  "S3Storage, four processes on one bucket",
  async ({ clock, baseUrl, test }) => {
    const server = await startS3Server(test);
    const target = JSON.stringify({ ...toS3Options(server), clock: undefined });
    return new SharedStorage({ processes, target, baseUrl, clock });
  },
  { countsDeletesExactly: false },
);
