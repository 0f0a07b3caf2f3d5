import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { makeFolder } from "./make-folder.ts";

async function createRoot(t: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "make-folder-"));
  t.after(async () => rm(root, { recursive: true }));
  return root;
}

describe("makeFolder()", () => {
  it("makes what is missing and gives the first of it, and nothing where all is there", async (t) => {
    const root = await createRoot(t);
    const path = join(root, "a/b/c");
    assert.equal(await makeFolder(path), join(root, "a"));
    assert.equal((await stat(path)).isDirectory(), true);
    assert.equal(await makeFolder(path), undefined);
    await mkdir(join(root, "d"));
    assert.equal(await makeFolder(join(root, "d/e")), join(root, "d/e"));
  });

  it("may run many times at once", async (t) => {
    const path = join(await createRoot(t), "a/b/c");
    await Promise.all(Array.from({ length: 20 }, async () => makeFolder(path)));
    assert.equal((await stat(path)).isDirectory(), true);
  });

  it("fails where a file is in the way", async (t) => {
    const root = await createRoot(t);
    await writeFile(join(root, "file"), "");
    await assert.rejects(makeFolder(join(root, "file")), { code: "ENOTDIR" });
    await assert.rejects(makeFolder(join(root, "file/a/b")), { code: "ENOTDIR" });
  });

  it("ends where a folder takes none", { skip: process.platform !== "linux" }, async () => {
    await assert.rejects(makeFolder("/proc/pictures/of/ours"), { code: "ENOENT" });
  });
});
