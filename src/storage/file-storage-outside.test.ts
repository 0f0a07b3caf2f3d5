import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstat, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { describe, it, test } from "node:test";
import fc from "fast-check";
import { createImageId } from "../core/image-id.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import {
  BYTES,
  HOUR_MS,
  MINUTE_MS,
  NOW_MS,
  createFolder,
  listIds,
  openAnother,
  openFileStorage,
  toRecordPath,
} from "../testing/file-bench.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";
import { watchFileSystem } from "../testing/watched-file-system.ts";
import { FileStorage } from "./file-storage.ts";

describe("FileStorage and planted links", { skip: process.platform === "win32" }, () => {
  it("follows no link to a picture, a record or a folder", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { id: kept } = await save(0);
    const outside = await createFolder(t);
    const elsewhere = new FileStorage({ basePath: outside, baseUrl: "" });
    const [id, other, old] = [createImageId(NOW_MS), createImageId(NOW_MS - 48 * HOUR_MS), createImageId(0)];
    const paths = await Promise.all([id, other, old].map(async (each) => elsewhere.saveImage(BYTES, each, {})));
    const link = join(root, "2026-03-01", "14-30", `${createImageId(NOW_MS - MINUTE_MS)}.png`);
    for (const place of [join(root, "2026-03-01", "14-30", `${id}.png`), link]) await symlink(paths[0] ?? "", place);
    await symlink(join(outside, "2026-02-27"), join(root, "2026-02-27"));
    await mkdir(join(root, "1970-01-01"));
    await symlink(join(outside, "1970-01-01", "00-00"), join(root, "1970-01-01", "00-00"));
    for (const each of [id, other, old]) {
      assert.equal(await storage.getImage(each), undefined);
      assert.equal(await storage.readRecord(each), undefined);
      assert.equal(await storage.deleteImage(each), false);
      await assert.rejects(
        storage.saveImage(BYTES, each === id ? other : each, {}),
        isErrorWithCode("storage_unavailable"),
      );
    }
    assert.deepEqual(await listIds(storage), [kept]);
    assert.equal(await storage.cleanupExpiredImages(30), 0);
    assert.equal((await lstat(link)).isSymbolicLink(), true);
    for (const path of paths) assertSameBytes(await readFile(path), BYTES);
  });

  it("reads no record through a link", async (t) => {
    const { root, save } = await openFileStorage(t);
    const { id, path } = await save(0);
    const secret = join(await createFolder(t), "secret.json");
    const record = await readFile(toRecordPath(path), "utf8");
    await writeFile(secret, record.replace("a cat", "a secret"));
    await rm(toRecordPath(path));
    await symlink(secret, toRecordPath(path));
    const fresh = new FileStorage({ basePath: root, baseUrl: "" });
    assert.equal((await fresh.readRecord(id))?.["prompt"], undefined);
  });

  it("neither reads, moves nor deletes a record through a link in the place of kept/, nor of a day", async (t) => {
    for (const isKept of [false, true]) {
      const { storage, root, save } = await openFileStorage(t);
      const { id, path } = await save(0);
      await storage.keepImage(id, isKept);
      const outside = await createFolder(t);
      const [day, slot] = relative(root, dirname(path)).split("/");
      const [linked, secret] = isKept
        ? [join(root, day ?? ""), join(outside, slot ?? "", `${id}.json`)]
        : [join(root, "kept"), join(outside, day ?? "", slot ?? "", `${id}.json`)];
      const record = toRecordPath(isKept ? join(root, "kept", relative(root, path)) : path);
      await mkdir(dirname(secret), { recursive: true });
      await writeFile(secret, (await readFile(record, "utf8")).replace("a cat", "a secret"));
      await rm(record);
      await rm(linked, { recursive: true, force: true });
      await symlink(outside, linked);
      const fresh = openAnother(root);
      assert.equal((await fresh.readRecord(id))?.["prompt"], undefined);
      assert.equal(await fresh.keepImage(id, isKept), true);
      assert.equal(await fresh.cleanupExpiredImages(3600), 0);
      assert.equal(await fresh.deleteImage(id), true);
      assert.match(await readFile(secret, "utf8"), /a secret/);
    }
  });

  it("does not wait for a planted pipe", async (t) => {
    const { storage, root, save } = await openFileStorage(t);
    const { path } = await save(0);
    const id = createImageId(NOW_MS);
    execFileSync("mkfifo", [join(dirname(path), `${id}.png`), join(root, "0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11.png")]);
    assert.equal(await storage.getImage(id), undefined);
    assert.equal(await storage.readRecord(id), undefined);
    assert.equal((await storage.findImages()).records.length, 1);
  });
});

// Proves: STORAGE-14
test("FileStorage opens nothing outside its folder for 10,000 hostile ids, prefixes and cursors", async (t) => {
  const { storage, root, save } = await openFileStorage(t);
  await save(0);
  const outside: string[] = [];
  watchFileSystem(t, ({ paths }) => {
    for (const path of paths) if (path !== root && !path.startsWith(`${root}/`)) outside.push(path);
  });
  const piece = fc.constantFrom(
    "../",
    "..\\",
    "/",
    "\0",
    "%2e%2e%2f",
    "img_",
    "01m8x0a0zz",
    ".png",
    "~",
    "C:",
    "*",
    "\r\n",
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.oneof(piece, fc.string())).map((parts) => parts.join("")),
  );
  const known = new Set(await listIds(storage));
  await fc.assert(
    fc.asyncProperty(text, async (hostile) => {
      assert.equal(await storage.getImage(hostile), undefined);
      assert.equal(await storage.deleteImage(hostile), false);
      await assert.rejects(storage.saveImage(BYTES, hostile, {}), isErrorWithCode("invalid_image_id"));
      await assert.rejects(storage.findImages({ cursor: hostile }), isErrorWithCode("invalid_argument"));
      for (const { image_id: id } of (await storage.findImages({ prefix: hostile })).records) {
        assert.equal(known.has(id) && id.startsWith(hostile), true);
      }
    }),
    { numRuns: 10_000 },
  );
  assert.deepEqual(outside, []);
  assert.equal((await listIds(storage)).length, 1);
});
