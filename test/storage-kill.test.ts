import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../src/core/clock.ts";
import { systemRandom } from "../src/core/random.ts";
import { FileStorage } from "../src/storage/file-storage.ts";
import { createFakeClock } from "../src/testing/fake-clock.ts";

/** `PROVE=1` kills at a thousand random moments, otherwise at a few. */
const KILLS = process.env["PROVE"] === "1" ? 1000 : 15;
const LONGEST_LIFE_MS = 120;
const HOUR_MS = 3_600_000;

async function createFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "storage-kill-"));
  t.after(async () => rm(folder, { recursive: true, force: true }));
  return folder;
}

function start(...args: readonly string[]): ChildProcess {
  const program = join(import.meta.dirname, "support", "storage-process.ts");
  return spawn(process.execPath, [program, ...args], { stdio: ["pipe", "pipe", "inherit"] });
}

/** Kills a process that saves, at a random moment after its first answer, and gives the ids it was promised. */
async function saveUntilKilled(folder: string): Promise<string[]> {
  const child = start("save", folder);
  const ended = once(child, "exit");
  assert.ok(child.stdout);
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  const closed = once(reader, "close");
  await Promise.race([once(reader, "line"), ended]);
  await sleep(systemRandom.fraction() * LONGEST_LIFE_MS);
  child.kill("SIGKILL");
  assert.deepEqual(await ended, [null, "SIGKILL"]);
  await closed;
  return lines;
}

/** Reads each picture that is listed, adds it to `checked`, and gives how many there are. */
async function checkVisible(folder: string, checked: Set<string>, createdAfterMs: number): Promise<number> {
  const survivor = new FileStorage({ basePath: folder, baseUrl: "" });
  let visible = 0;
  let page = await survivor.findImages({ limit: 1000, createdAfterMs });
  for (;;) {
    for (const record of page.records) {
      visible++;
      const bytes = await survivor.getImage(record.image_id);
      assert.equal(bytes && createHash("sha256").update(bytes).digest("hex"), record.sha256);
      assert.equal(record["prompt"], "a cat");
      checked.add(record.image_id);
    }
    if (page.nextCursor === undefined) return visible;
    page = await survivor.findImages({ limit: 1000, createdAfterMs, cursor: page.nextCursor });
  }
}

// Proves: STORAGE-11
test(`FileStorage loses nothing and shows nothing half when it is killed ${KILLS} times`, async (t) => {
  const folder = await createFolder(t);
  const promised = new Set<string>();
  const checked = new Set<string>();
  for (let kill = 0; kill < KILLS; kill++) {
    const createdAfterMs = systemClock.nowMs() - 1;
    for (const id of await saveUntilKilled(folder)) promised.add(id);
    await checkVisible(folder, checked, createdAfterMs);
    assert.deepEqual(
      [...promised].filter((id) => !checked.has(id)),
      [],
    );
  }
  const visible = await checkVisible(folder, new Set(), Number.NEGATIVE_INFINITY);
  assert.equal(visible, checked.size);
  assert.equal(promised.size >= KILLS, true);
  t.diagnostic(`figure: ${KILLS} kills, ${promised.size} promised, ${visible} visible, 0 lost, 0 half`);

  const later = createFakeClock({ nowMs: systemClock.nowMs() + HOUR_MS });
  const sweeper = new FileStorage({ basePath: folder, baseUrl: "", clock: later });
  assert.equal(await sweeper.cleanupExpiredImages(24 * 3600), 0);
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.[a-z]+$/.test(name));
  const stems = new Set(names.map((name) => name.replace(/\.(?:png|json)$/, "")));
  assert.equal(names.length, visible * 2);
  assert.equal(stems.size, visible);
});

test("FileStorage shares a folder with four processes that save and clean at once", async (t) => {
  const folder = await createFolder(t);
  const children = [1, 2, 3, 4].map(() => start("clean", folder, "40", "10"));
  const readers = children.map((child) => {
    assert.ok(child.stdout);
    return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  });
  for (const reader of readers) assert.equal((await reader.next()).value, "ready");
  for (const child of children) child.stdin?.write("go\n");
  const counts = await Promise.all(readers.map(async (reader) => Number((await reader.next()).value)));
  for (const child of children) if (child.exitCode === null) await once(child, "exit");
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    160,
  );
  const storage = new FileStorage({ basePath: folder, baseUrl: "" });
  assert.equal((await storage.findImages()).records.length, 40);
});
