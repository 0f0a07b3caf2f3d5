import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { testStorage } from "../testing/test-storage.ts";
import { FileStorage } from "./file-storage.ts";

async function createFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "file-storage-"));
  t.after(async () => rm(folder, { recursive: true, force: true }));
  return folder;
}

testStorage("FileStorage", async ({ clock, baseUrl, test }) => {
  return new FileStorage({ basePath: await createFolder(test), baseUrl, clock });
});
