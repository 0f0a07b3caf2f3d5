import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { testStorage } from "../src/testing/test-storage.ts";
import { SharedStorage, StorageProcesses } from "./support/shared-storage.ts";

/** What is saved by one is read by the next, kept by a third and deleted by a fourth. */
const processes = new StorageProcesses(4);
after(async () => processes[Symbol.asyncDispose]());

testStorage("FileStorage, four processes on one folder", async ({ clock, baseUrl, test }) => {
  const folder = await mkdtemp(join(tmpdir(), "storage-shared-"));
  test.after(async () => rm(folder, { recursive: true, force: true }));
  return new SharedStorage({ processes, folder, baseUrl, clock });
});
