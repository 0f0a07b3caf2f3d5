import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it, test, type TestContext } from "node:test";
import { systemClock } from "../core/clock.ts";
import { MCPImageError } from "../core/errors.ts";
import { createImageId } from "../core/image-id.ts";
import { getLogger } from "../logging/logger.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";
import { watchFileSystem } from "../testing/watched-file-system.ts";
import { assertClocksAgree } from "./clock-guard.ts";
import { FileStorage } from "./file-storage.ts";

const NOW_MS = Date.UTC(2026, 2, 1, 14, 35);
const HOUR_MS = 3_600_000;
const BYTES = createSampleImage(5000);
/** In memory where there is such a thing: the sweep of faults makes a thousand folders. */
const QUICK_FOLDER = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
/** Answers that no operation expects. */
const ERRNOS = ["EIO", "ENOSPC", "EACCES", "EROFS", "EMFILE", "ENAMETOOLONG"];
const isRoot = process.getuid?.() === 0;

async function createFolder(t: TestContext, parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, "file-faults-"));
  t.after(async () => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function mountTmpfs(t: TestContext, options: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "file-faults-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
  t.after(async () => {
    execFileSync("umount", [folder]);
    await rm(folder, { recursive: true });
  });
  return folder;
}

function openStorage(basePath: string): FileStorage {
  return new FileStorage({ basePath, baseUrl: "", clock: createFakeClock({ nowMs: NOW_MS }) });
}

async function listFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

async function readInParts(storage: FileStorage, id: string): Promise<Buffer | undefined> {
  const image = await storage.openImage(id);
  if (image === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(image.record.size);
    for (let start = 0; start < bytes.length; start += 2000)
      await image.read(bytes.subarray(start, start + 2000), start);
    return bytes;
  } finally {
    image.close();
  }
}

/** Every operation, so that a fault can be tried on each. */
function callsOf(storage: FileStorage, id: string): Record<string, () => Promise<unknown>> {
  return {
    saveImage: async () => storage.saveImage(BYTES, createImageId(NOW_MS), {}),
    getImage: async () => storage.getImage(id),
    openImage: async () => readInParts(storage, id),
    readRecord: async () => storage.readRecord(id),
    keepImage: async () => storage.keepImage(id, true),
    deleteImage: async () => storage.deleteImage(id),
    findImages: async () => storage.findImages(),
    cleanupExpiredImages: async () => storage.cleanupExpiredImages(3600),
    checkHealth: async () => storage.checkHealth(),
  };
}

describe("FileStorage without its folder", () => {
  it("says storage_unavailable when the folder vanishes, and works when it is back", async (t) => {
    const root = join(await createFolder(t), "root");
    const storage = openStorage(root);
    const id = createImageId(NOW_MS);
    await storage.saveImage(BYTES, id, {});
    await rename(root, `${root}-gone`);
    for (const call of Object.values(callsOf(storage, id))) {
      await assert.rejects(call(), isErrorWithCode("storage_unavailable"));
    }
    await rename(`${root}-gone`, root);
    assertSameBytes(await storage.getImage(id), BYTES);
    await storage.checkHealth();
  });

  it("says storage_unavailable when a file stands in its place", async (t) => {
    const root = join(await createFolder(t), "root");
    await writeFile(root, "");
    for (const call of Object.values(callsOf(openStorage(root), createImageId(NOW_MS)))) {
      await assert.rejects(call(), (error) => error instanceof MCPImageError && error.code.startsWith("storage_"));
    }
  });
});

// Proves: STORAGE-11
test("FileStorage flushes both files before it names them, the record first, and the folders before it answers", async (t) => {
  const storage = openStorage(join(await createFolder(t), "root"));
  await storage.findImages();
  const calls: string[] = [];
  watchFileSystem(t, ({ name, paths }) =>
    calls.push(`${name} ${paths.at(-1)?.replace(/^.*(\.\w+)$/, "$1") ?? ""}`.trim()),
  );
  await storage.saveImage(BYTES, createImageId(NOW_MS), {});
  const steps = calls.filter((call) => /^(FileHandle\.(writeFile|datasync|sync)|link|unlink|rename)/.test(call));
  assert.deepEqual(steps.slice(0, 4).sort(), [
    "FileHandle.datasync",
    "FileHandle.datasync",
    "FileHandle.writeFile",
    "FileHandle.writeFile",
  ]);
  assert.deepEqual(steps.slice(4, 6), ["link .json", "link .png"]);
  const folders = ["FileHandle.sync", "FileHandle.sync", "FileHandle.sync"]; // ten minutes, day, root
  assert.deepEqual(steps.slice(6).sort(), [...folders, "unlink .tmp", "unlink .tmp"]);
  calls.length = 0;
  await storage.saveImage(BYTES, createImageId(NOW_MS), {});
  assert.equal(calls.filter((call) => call === "FileHandle.sync").length, 1);
});

describe("FileStorage on a file system without hard links", () => {
  it("gives the id back when the disk fails after it was claimed", async (t) => {
    const root = join(await createFolder(t), "root");
    const storage = openStorage(root);
    let flushes = 0;
    watchFileSystem(t, ({ name }) => {
      if (name === "link") throw Object.assign(new Error("no links here"), { code: "EPERM" });
      if (name === "FileHandle.datasync" && ++flushes === 3) throw Object.assign(new Error("broken"), { code: "EIO" });
    });
    const id = createImageId(NOW_MS);
    await assert.rejects(storage.saveImage(BYTES, id, {}), isErrorWithCode("storage_write_failed"));
    assert.deepEqual(await listFiles(root), []);
    await storage.saveImage(BYTES, id, {});
  });

  it("saves all the same, and only once under one id", async (t) => {
    const root = join(await createFolder(t), "root");
    const storage = openStorage(root);
    watchFileSystem(t, ({ name }) => {
      if (name === "link") throw Object.assign(new Error("no links here"), { code: "EPERM" });
    });
    const id = createImageId(NOW_MS);
    const save = async (index: number): Promise<unknown> =>
      storage.saveImage(createSampleImage(9000, "png", index), id, { index });
    const results = await Promise.allSettled(Array.from({ length: 20 }, async (_, index) => save(index)));
    const winner = results.findIndex((result) => result.status === "fulfilled");
    for (const [index, result] of results.entries()) {
      if (index !== winner) assert.ok(result.status === "rejected" && isErrorWithCode("image_exists")(result.reason));
    }
    const stored = await openStorage(root).readImage(id);
    assertSameBytes(stored?.imageData, createSampleImage(9000, "png", winner));
    assert.equal(stored?.record["index"], winner);
    assert.deepEqual((await listFiles(root)).sort(), [`${id}.json`, `${id}.png`]);
    await rm(stored === undefined ? "" : join(root, "2026-03-01", "14-30", `${id}.json`));
    await assert.rejects(storage.saveImage(BYTES, id, {}), isErrorWithCode("image_exists"));
    assert.deepEqual(await listFiles(root), [`${id}.png`]);
  });
});

test("assertClocksAgree() stops a cleanup when the clocks differ by more than half the TTL", () => {
  const check = (skewMs: number, ttlSeconds: number) => () =>
    assertClocksAgree(NOW_MS + skewMs, NOW_MS, ttlSeconds, getLogger("storage"));
  for (const skewMs of [0, 5000, -5000]) assert.doesNotThrow(check(skewMs, 1));
  for (const skewMs of [1_800_000, -1_800_000]) assert.doesNotThrow(check(skewMs, 3600));
  for (const skewMs of [1_800_001, -1_800_001]) {
    assert.throws(check(skewMs, 3600), isErrorWithCode("storage_delete_failed"));
  }
});

test("FileStorage compares the machine's clock with the volume's before it deletes by age", async (t) => {
  const root = join(await createFolder(t), "root");
  const storage = new FileStorage({ basePath: root, baseUrl: "" });
  await storage.saveImage(BYTES, createImageId(systemClock.nowMs() - 2 * HOUR_MS), {});
  const written: string[] = [];
  watchFileSystem(t, ({ name, paths: [path = ""] }) => {
    if (name === "open") written.push(path);
  });
  assert.equal(await storage.cleanupExpiredImages(3 * 3600), 0);
  assert.equal(written.length, 0);
  assert.equal(await storage.cleanupExpiredImages(3600), 1);
  assert.equal(written.length, 1);
  assert.equal(dirname(written[0] ?? ""), root);
});

// Proves: STORAGE-15
describe("FileStorage on a full disk", { skip: isRoot ? false : "needs root to mount a small tmpfs" }, () => {
  it("says storage_full, leaves no file of the failed save, and works when there is room", async (t) => {
    const root = await mountTmpfs(t, "size=256k");
    const storage = openStorage(root);
    const ids: string[] = [];
    const fill = async (): Promise<void> => {
      for (;;) {
        const id = createImageId(NOW_MS);
        await storage.saveImage(createSampleImage(30_000), id, {});
        ids.push(id);
      }
    };
    await assert.rejects(fill(), isErrorWithCode("storage_full"));
    const [first = ""] = ids;
    assert.equal((await listFiles(root)).length, ids.length * 2);
    assert.equal((await storage.findImages()).records.length, ids.length);
    assert.equal(await storage.deleteImage(first), true);
    await storage.saveImage(createSampleImage(30_000), createImageId(NOW_MS), {});
  });

  it("says storage_full when there are no more inodes", async (t) => {
    const root = await mountTmpfs(t, "nr_inodes=20");
    const storage = openStorage(root);
    const fill = async (): Promise<void> => {
      for (;;) await storage.saveImage(BYTES, createImageId(NOW_MS), {});
    };
    await assert.rejects(fill(), isErrorWithCode("storage_full"));
    const files = await listFiles(root);
    assert.equal(files.filter((name) => name.endsWith(".tmp")).length, 0);
    assert.equal(files.filter((name) => name.endsWith(".png")).length * 2, files.length);
  });
});

/** Root may write everywhere, so these run in a process of another user. */
const AS_NOBODY = `
  if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
  const { FileStorage } = await import(${JSON.stringify(import.meta.resolve("./file-storage.ts"))});
  const [root, saved, fresh, image, nowMs] = process.argv.slice(1);
  const storage = new FileStorage({ basePath: root, baseUrl: "", clock: { nowMs: () => Number(nowMs), monotonicMs: () => 0 } });
  const outcome = (promise) => promise.then((value) => value ?? "done", (error) => error.code ?? String(error));
  console.log(JSON.stringify({
    save: await outcome(storage.saveImage(Buffer.from(image, "base64"), fresh, {})),
    read: await outcome(storage.getImage(saved).then((bytes) => bytes?.toString("base64") === image)),
    delete: await outcome(storage.deleteImage(saved)),
    cleanup: await outcome(storage.cleanupExpiredImages(0)),
    list: await outcome(storage.findImages().then((page) => page.records.length)),
    health: await outcome(storage.checkHealth()),
  }));
`;

describe("FileStorage without the right to write", { skip: process.platform === "win32" }, () => {
  const tryAsNobody = async (t: TestContext, mode: number): Promise<unknown> => {
    const folder = await createFolder(t);
    await chmod(folder, 0o755);
    const root = join(folder, "root");
    const id = createImageId(NOW_MS - HOUR_MS);
    const path = await openStorage(root).saveImage(BYTES, id, {});
    const folders = [root, dirname(dirname(path)), dirname(path)];
    for (const each of folders) await chmod(each, mode);
    const args = [root, id, createImageId(NOW_MS), BYTES.toString("base64"), String(NOW_MS)];
    const child = spawnSync(process.execPath, ["--input-type=module", "--eval", AS_NOBODY, ...args], {
      encoding: "utf8",
    });
    for (const each of folders) await chmod(each, 0o755);
    assert.equal(child.status, 0, child.stderr);
    assert.deepEqual((await listFiles(root)).sort(), [`${id}.json`, `${id}.png`]);
    return JSON.parse(child.stdout);
  };

  it("reads, and says storage_unavailable to the rest; a cleanup skips what it may not delete", async (t) => {
    assert.deepEqual(await tryAsNobody(t, 0o555), {
      save: "storage_unavailable",
      read: true,
      delete: "storage_unavailable",
      cleanup: 0,
      list: 1,
      health: "storage_unavailable",
    });
  });

  it("says storage_unavailable to everything when it may not even look", async (t) => {
    const outcomes = await tryAsNobody(t, 0o000);
    assert.deepEqual(new Set(Object.values(outcomes ?? {})), new Set(["storage_unavailable"]));
  });
});

test("FileStorage leaves no half picture and no false answer, whichever system call fails", async (t) => {
  const parent = await createFolder(t, QUICK_FOLDER);
  let countdown = Number.POSITIVE_INFINITY;
  let errno = "";
  watchFileSystem(t, ({ name }) => {
    if (--countdown !== 0) return;
    throw Object.assign(new Error(`${errno}: planned, ${name}`), { code: errno });
  });
  let faults = 0;
  for (const code of ERRNOS) {
    for (const operation of Object.keys(callsOf(openStorage(parent), ""))) {
      for (let nth = 1; ; nth++) {
        const root = join(parent, `${code}-${operation}-${nth}`);
        await mkdir(root);
        const storage = openStorage(root);
        const [id, expired] = [createImageId(NOW_MS), createImageId(NOW_MS - 2 * HOUR_MS)];
        for (const each of [id, expired]) await storage.saveImage(BYTES, each, {});
        const subject = openStorage(root);
        const call = callsOf(subject, id)[operation];
        errno = code;
        countdown = nth;
        const [outcome] = await Promise.allSettled([call?.()]);
        const isReached = countdown <= 0;
        countdown = Number.POSITIVE_INFINITY;
        if (outcome.status === "rejected") assertRightError(outcome.reason, code, operation);
        await assertWhole(root, id, operation, outcome);
        await callsOf(subject, id)[operation]?.(); // works again at once
        await rm(root, { recursive: true });
        if (!isReached) break;
        faults++;
      }
    }
  }
  assert.equal(faults > 50 * ERRNOS.length, true, String(faults));
});

/** Tells what is wrong with the disk, where the answer of the disk does, or else which operation failed. */
function assertRightError(error: unknown, errno: string, operation: string): void {
  const told = { ENOSPC: "storage_full", EACCES: "storage_unavailable", EROFS: "storage_unavailable" }[errno];
  const failed = {
    saveImage: ["storage_write_failed"],
    keepImage: ["storage_write_failed"],
    deleteImage: ["storage_delete_failed"],
    findImages: ["storage_list_failed"],
    cleanupExpiredImages: ["storage_list_failed", "storage_delete_failed"],
    checkHealth: ["storage_write_failed"],
  }[operation] ?? ["storage_read_failed"];
  assert.ok(error instanceof MCPImageError, String(error));
  assert.equal(
    (told === undefined ? failed : [told]).includes(error.code),
    true,
    `${errno}: ${operation}: ${error.code}`,
  );
}

/** Whatever happened, a new process sees only whole pictures, and all that were acknowledged. */
async function assertWhole(
  root: string,
  id: string,
  operation: string,
  outcome: PromiseSettledResult<unknown>,
): Promise<void> {
  const fresh = openStorage(root);
  const listed = (await fresh.findImages()).records.map((record) => record.image_id);
  for (const each of listed) assert.deepEqual(await fresh.getImage(each), BYTES, root);
  const isDeleted = operation === "deleteImage" && !listed.includes(id);
  if (!isDeleted) assert.equal(listed.includes(id), true, root);
  if (isDeleted) assert.equal(outcome.status === "fulfilled" ? outcome.value : true, true, root);
  if (operation === "saveImage" && outcome.status === "fulfilled") assert.equal(listed.length, 3, root);
  if (operation === "deleteImage" && outcome.status === "fulfilled") assert.equal(outcome.value, isDeleted, root);
  const isRead = operation === "getImage" || operation === "openImage";
  if (isRead && outcome.status === "fulfilled") assert.deepEqual(outcome.value, BYTES, root);
}
