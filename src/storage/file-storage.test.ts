import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { describe, it, test, type TestContext } from "node:test";
import fc from "fast-check";
import { createImageId } from "../core/image-id.ts";
import { isErrorWithCode } from "../testing/error-with-code.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createSampleImage } from "../testing/sample-images.ts";
import { assertSameBytes } from "../testing/same-bytes.ts";
import { testStorage } from "../testing/test-storage.ts";
import { watchFileSystem, type FileSystemCall } from "../testing/watched-file-system.ts";
import { FileStorage } from "./file-storage.ts";

const NOW_MS = Date.UTC(2026, 2, 1, 14, 35, 12, 345);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const BYTES = createSampleImage(200);

async function createFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "file-storage-"));
  t.after(async () => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Opened {
  readonly storage: FileStorage;
  readonly root: string;
  /** Saves a small picture of this age and gives its id and path. */
  readonly save: (ageMs: number) => Promise<{ readonly id: string; readonly path: string }>;
}

async function openStorage(t: TestContext): Promise<Opened> {
  const root = join(await createFolder(t), "root");
  const storage = new FileStorage({ basePath: root, baseUrl: "", clock: createFakeClock({ nowMs: NOW_MS }) });
  const save: Opened["save"] = async (ageMs) => {
    const id = createImageId(NOW_MS - ageMs);
    return { id, path: await storage.saveImage(BYTES, id, { prompt: "a cat" }) };
  };
  return { storage, root, save };
}

async function listTree(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

async function listIds(storage: FileStorage): Promise<string[]> {
  return (await storage.findImages({ limit: 1000 })).records.map((record) => record.image_id);
}

testStorage(
  "FileStorage",
  async ({ clock, limits, baseUrl, test }) =>
    new FileStorage({ basePath: join(await createFolder(test), "a", "b"), baseUrl, clock, limits }),
  { holdsLimits: true },
);

// Proves: STORAGE-7, STORAGE-13
describe("FileStorage on the disk", () => {
  it("keeps a picture beside its record in a folder of ten minutes, and nothing else", async (t) => {
    const { storage, root } = await openStorage(t);
    const expected: string[] = [];
    for (const [format, extension] of [
      ["png", "png"],
      ["jpeg", "jpg"],
      ["webp", "webp"],
    ] as const) {
      const id = createImageId(NOW_MS);
      const path = await storage.saveImage(createSampleImage(100, format), id, { prompt: "a 🐈" });
      assert.equal(path, join(root, "2026-03-01", "14-30", `${id}.${extension}`));
      assertSameBytes(await readFile(path), createSampleImage(100, format));
      const record: unknown = JSON.parse(await readFile(join(dirname(path), `${id}.json`), "utf8"));
      assert.deepEqual(record, await storage.readRecord(id));
      expected.push(`2026-03-01/14-30/${id}.${extension}`, `2026-03-01/14-30/${id}.json`);
    }
    assert.deepEqual(await listTree(root), expected.sort());
  });

  it("leaves nothing behind after deletions, a health check and a cleanup", async (t) => {
    const { storage, root, save } = await openStorage(t);
    const { id } = await save(0);
    await save(2 * HOUR_MS);
    await storage.checkHealth();
    assert.equal(await storage.deleteImage(id), true);
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
    assert.deepEqual(await listTree(root), []);
    assert.deepEqual(await readdir(root), ["2026-03-01"]);
    assert.deepEqual(await readdir(join(root, "2026-03-01")), ["14-30"]);
  });

  it("sees at once what another storage on the same folder saved and deleted", async (t) => {
    const { storage, root, save } = await openStorage(t);
    const other = new FileStorage({ basePath: root, baseUrl: "" });
    const { id } = await save(0);
    assert.equal((await other.readRecord(id))?.image_id, id);
    assert.equal(await other.deleteImage(id), true);
    assert.equal(await storage.readRecord(id), undefined);
    assert.equal(await storage.getImage(id), undefined);
    assert.deepEqual(await listIds(storage), []);
  });

  it("serves a picture whose record is missing, broken or of another picture", async (t) => {
    const { storage, root, save } = await openStorage(t);
    const wholes = await Promise.all([save(0), save(1), save(2), save(3)]);
    const texts = [undefined, "", '{"image_id":', (await readFile(toRecordPath(wholes[0].path))).toString()];
    for (const [index, { path }] of wholes.entries()) {
      const text = texts[index];
      if (text === undefined) await rm(toRecordPath(path));
      else await writeFile(toRecordPath(path), text);
    }
    const fresh = new FileStorage({ basePath: root, baseUrl: "" });
    assert.deepEqual(
      await listIds(fresh),
      wholes.map(({ id }) => id),
    );
    for (const { id } of wholes) {
      const expected = await storage.readRecord(id);
      const image = await fresh.readImage(id);
      assertSameBytes(image?.imageData, BYTES);
      for (const key of ["image_id", "created_at", "size", "format", "sha256"]) {
        assert.equal(image?.record[key], expected?.[key]);
      }
    }
  });

  it("never shows a picture that is not as long as its record says", async (t) => {
    const { root, save } = await openStorage(t);
    const [whole, half, empty] = await Promise.all([save(0), save(1), save(2)]);
    await truncate(half.path, 100);
    await truncate(empty.path, 0);
    const fresh = new FileStorage({ basePath: root, baseUrl: "" });
    for (const { id } of [half, empty]) {
      assert.equal(await fresh.getImage(id), undefined);
      assert.equal(await fresh.readRecord(id), undefined);
    }
    assert.deepEqual(await listIds(fresh), [whole.id]);
  });

  it("ignores records without a picture, temporary files, strays and folders in wrong places", async (t) => {
    const { storage, root, save } = await openStorage(t);
    const { id, path } = await save(0);
    const folder = dirname(path);
    const strayId = createImageId(NOW_MS - HOUR_MS);
    await writeFile(join(folder, `${createImageId(NOW_MS)}.json`), "{}");
    await writeFile(join(folder, `.mcp-image-${"0".repeat(24)}.tmp`), BYTES);
    await writeFile(join(folder, `${strayId}.png`), BYTES);
    await writeFile(join(root, `${strayId}.png`), BYTES);
    await writeFile(join(folder, "notes.png"), BYTES);
    await mkdir(join(folder, `${createImageId(NOW_MS)}.png`));
    for (const name of ["2026-02-31", "2026-3-1", "lost+found", "2026-03-02/14-35", "2026-03-02/24-00"]) {
      await mkdir(join(root, name), { recursive: true });
      await writeFile(join(root, name, `${strayId}.png`), BYTES);
    }
    assert.deepEqual(await listIds(storage), [id]);
    assert.equal(await storage.readRecord(strayId), undefined);
  });

  it("keeps and lists a picture of the year 10889, the last that an id can name", async (t) => {
    const { storage, root, save } = await openStorage(t);
    const { id } = await save(0);
    const last = createImageId(2 ** 48 - 1);
    assert.equal(relative(root, await storage.saveImage(BYTES, last, {})), `+010889-08-02/05-30/${last}.png`);
    assert.deepEqual(await listIds(storage), [last, id]);
    assert.equal(await storage.cleanupExpiredImages(0), 0);
  });
});

// Proves: STORAGE-9
describe("FileStorage.findImages() on the disk", () => {
  it("reads only the folders that the page needs, and cached records not at all", async (t) => {
    const { root, save } = await openStorage(t);
    for (let hour = 0; hour < 30; hour++) await save(hour * HOUR_MS);
    const storage = new FileStorage({ basePath: root, baseUrl: "" });
    await storage.findImages({ limit: 1 });
    const calls: FileSystemCall[] = [];
    watchFileSystem(t, (call) => calls.push(call));
    const first = await storage.findImages({ limit: 2 });
    assert.equal(calls.filter(({ name }) => name === "readdir").length, 5); // root, day, and 3 slots
    assert.equal(calls.filter(({ name }) => name === "open").length, 1);
    calls.length = 0;
    assert.deepEqual(await storage.findImages({ limit: 2 }), first);
    assert.deepEqual(new Set(calls.map(({ name }) => name)), new Set(["readdir"]));
    calls.length = 0;
    const prefix = createImageId(NOW_MS - 20 * HOUR_MS).slice(0, 10);
    assert.equal((await storage.findImages({ prefix })).records.length, 1);
    assert.equal(calls.filter(({ name }) => name === "readdir").length <= 5, true);
    calls.length = 0;
    await storage.findImages({ createdAfterMs: NOW_MS + MINUTE_MS * 10 });
    await storage.findImages({ prefix: "../" });
    assert.deepEqual(new Set(calls.map(({ name }) => name)), new Set(["readdir"]));
    assert.equal(calls.length, 2);
  });
});

describe("FileStorage.cleanupExpiredImages() on the disk", () => {
  it("begins no more than 16 deletions, or one folder, once its budget is over", async (t) => {
    const { storage, save } = await openStorage(t);
    for (let index = 0; index < 20; index++) await save(2 * HOUR_MS);
    for (let index = 0; index < 3; index++) await save(5 * HOUR_MS + index * 30 * 60_000);
    const counts: number[] = [];
    for (let run = 0; run < 6; run++) counts.push(await storage.cleanupExpiredImages(3600, { budgetMs: 0 }));
    assert.deepEqual(counts, [1, 1, 1, 16, 4, 0]);
  });

  it("neither reads nor asks after any picture", async (t) => {
    const { storage, save } = await openStorage(t);
    for (let index = 0; index < 10; index++) await save(2 * HOUR_MS + index * 5 * MINUTE_MS);
    await save(0);
    const calls: FileSystemCall[] = [];
    watchFileSystem(t, (call) => calls.push(call));
    assert.equal(await storage.cleanupExpiredImages(3600), 10);
    assert.deepEqual(new Set(calls.map(({ name }) => name)), new Set(["readdir", "unlink", "rmdir"]));
    calls.length = 0;
    assert.equal(await storage.cleanupExpiredImages(3600), 0);
    assert.deepEqual(
      calls.map(({ name, paths }) => `${name} ${basename(paths[0] ?? "")}`),
      ["readdir root", "readdir 2026-03-01", "readdir 2026-03-01"],
    );
  });

  it("leaves foreign files and their folders alone", async (t) => {
    const { storage, root, save } = await openStorage(t);
    const { path } = await save(30 * HOUR_MS);
    const foreign = [
      join(dirname(path), "notes.txt"),
      join(dirname(path), "img_x.png"),
      join(dirname(path), ".hidden.tmp"),
      join(dirname(path), `${createImageId(NOW_MS)}.png`),
      join(root, "2020-01-01", "readme.md"),
      join(root, "2020-01-01", "00-05", `${createImageId(Date.UTC(2020, 0, 1, 0, 5))}.png`),
      join(root, "other", "00-00", "a.png"),
      join(root, "index.html"),
      join(root, `${createImageId(0)}.png`),
    ];
    for (const file of foreign) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, BYTES);
      await utimes(file, 0, 0);
    }
    assert.equal(await storage.cleanupExpiredImages(3600), 1);
    assert.equal(await storage.cleanupExpiredImages(0), 0);
    assert.deepEqual(await listTree(root), foreign.map((file) => relative(root, file)).sort());
  });

  it("sweeps what crashes left, when it is old", async (t) => {
    const { storage, root, save } = await openStorage(t);
    const { id, path } = await save(HOUR_MS);
    const [old, young] = [NOW_MS / 1000 - 601, NOW_MS / 1000 - 590];
    const files = new Map([
      [join(dirname(path), `.mcp-image-${"a".repeat(24)}.tmp`), old],
      [join(dirname(path), `.mcp-image-${"b".repeat(24)}.tmp`), young],
      [join(dirname(path), `${createImageId(NOW_MS - HOUR_MS)}.json`), old],
      [join(dirname(path), `${createImageId(NOW_MS - HOUR_MS)}.json`), young],
      [join(root, `.mcp-image-${"c".repeat(24)}.tmp`), old],
      [join(dirname(path), ".other.tmp"), old],
      [join(root, "settings.json"), old],
      [toRecordPath(path), old],
    ]);
    for (const [file, seconds] of files) {
      if (file !== toRecordPath(path)) await writeFile(file, "{}");
      await utimes(file, seconds, seconds);
    }
    assert.equal(await storage.cleanupExpiredImages(86_400), 0);
    const kept = [...files].filter(([file, seconds]) => seconds === young || /other|settings/.test(file));
    const expected = [path, toRecordPath(path), ...kept.map(([file]) => file)];
    assert.deepEqual(await listTree(root), expected.map((file) => relative(root, file)).sort());
    assert.equal((await storage.readRecord(id))?.image_id, id);
  });

  it("sweeps many young folders in turns", async (t) => {
    const { storage, root, save } = await openStorage(t);
    for (let index = 0; index < 20; index++) {
      const { path } = await save(HOUR_MS + index * 10 * MINUTE_MS);
      const leftover = join(dirname(path), `.mcp-image-${"d".repeat(24)}.tmp`);
      await writeFile(leftover, "");
      await utimes(leftover, 0, 0);
    }
    const left: number[] = [];
    for (let run = 0; run < 4; run++) {
      assert.equal(await storage.cleanupExpiredImages(86_400), 0);
      left.push((await listTree(root)).filter((file) => file.endsWith(".tmp")).length);
    }
    assert.deepEqual(left, [12, 4, 0, 0]);
  });
});

describe("FileStorage and files of the earlier flat layout", () => {
  const older = "0b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d11";
  const newer = "img_1b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d22";
  const bare = "2b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d33";

  /** `bare` has no record, and its file is the youngest of the three. */
  async function plant(root: string): Promise<void> {
    await mkdir(root, { recursive: true });
    for (const [id, ageMs] of [
      [older, 3 * HOUR_MS],
      [newer, 2 * HOUR_MS],
      [bare, HOUR_MS],
    ] as const) {
      const createdAt = new Date(NOW_MS - ageMs);
      await writeFile(join(root, `${id}.png`), BYTES);
      await utimes(join(root, `${id}.png`), createdAt, createdAt);
      if (id === bare) continue;
      await writeFile(join(root, `${id}.json`), JSON.stringify({ prompt: "old", created_at: createdAt.toISOString() }));
    }
    const garbled = join(root, "3b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d44.png");
    await writeFile(garbled, "this is no picture");
    await utimes(garbled, new Date(NOW_MS), new Date(NOW_MS));
  }

  it("reads them, and lists them behind the others, newest first", async (t) => {
    const { storage, root, save } = await openStorage(t);
    await plant(root);
    const { id } = await save(10 * HOUR_MS);
    assert.deepEqual(await listIds(storage), [id, bare, newer, older]);
    assertSameBytes(await storage.getImage(older), BYTES);
    const record = await storage.readRecord(newer);
    assert.equal(record?.["prompt"], "old");
    assert.equal(record?.created_at, new Date(NOW_MS - 2 * HOUR_MS).toISOString());
    assert.equal(record?.size, BYTES.length);
    assert.equal(await storage.getImageUrl(bare), `/images/${bare}`);
    assert.deepEqual((await storage.findImages({ prefix: "img_1b" })).records, [record]);
    const recent = await storage.findImages({ createdAfterMs: NOW_MS - 2 * HOUR_MS });
    assert.deepEqual(
      recent.records.map((each) => each.image_id),
      [bare],
    );
  });

  it("walks over them by cursor, also behind one that was deleted", async (t) => {
    const { storage, root, save } = await openStorage(t);
    await plant(root);
    const { id } = await save(0);
    const seen: string[] = [];
    let page = await storage.findImages({ limit: 1 });
    for (;;) {
      seen.push(...page.records.map((record) => record.image_id));
      if (page.nextCursor === undefined) break;
      if (page.nextCursor === newer) assert.equal(await storage.deleteImage(newer), true);
      page = await storage.findImages({ limit: 1, cursor: page.nextCursor });
    }
    assert.deepEqual(seen, [id, bare, newer, older]);
  });

  it("deletes and expires them with their records", async (t) => {
    const { storage, root } = await openStorage(t);
    await plant(root);
    assert.equal(await storage.deleteImage(bare), true);
    assert.equal(await storage.deleteImage(bare), false);
    assert.equal(await storage.cleanupExpiredImages(2.5 * 3600), 1);
    const left = ["3b8ca8d0-6e0f-4f6e-9c0b-5b1f0a4f2d44.png", `${newer}.json`, `${newer}.png`];
    assert.deepEqual(await listTree(root), left.sort());
  });
});

describe("FileStorage and planted links", { skip: process.platform === "win32" }, () => {
  it("follows no link to a picture, a record or a folder", async (t) => {
    const { storage, root, save } = await openStorage(t);
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
    const { root, save } = await openStorage(t);
    const { id, path } = await save(0);
    const secret = join(await createFolder(t), "secret.json");
    const record = await readFile(toRecordPath(path), "utf8");
    await writeFile(secret, record.replace("a cat", "a secret"));
    await rm(toRecordPath(path));
    await symlink(secret, toRecordPath(path));
    const fresh = new FileStorage({ basePath: root, baseUrl: "" });
    assert.equal((await fresh.readRecord(id))?.["prompt"], undefined);
  });

  it("does not wait for a planted pipe", async (t) => {
    const { storage, root, save } = await openStorage(t);
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
  const { storage, root, save } = await openStorage(t);
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

function toRecordPath(imagePath: string): string {
  return imagePath.replace(/\.[a-z]+$/, ".json");
}
