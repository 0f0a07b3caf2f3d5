import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock } from "../src/core/clock.ts";
import { createImageId } from "../src/core/image-id.ts";
import { FileStorage } from "../src/storage/file-storage.ts";
import { createFakeClock } from "../src/testing/fake-clock.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import type { BenchOptions } from "./bench-options.ts";
import type { Figure } from "./report.ts";
import { median } from "./rounds.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PICTURE = createSampleImage(50_000);
const SMALL = createSampleImage(64);
const METADATA = { prompt: "a red fox in the snow, at dawn", width: 512, height: 512, seed: 7 };
const PAGE = { limit: 100 };

/** The time on the wall of each round, in milliseconds, of two things that take turns. */
interface Turns {
  readonly ours: number[];
  readonly theirs: number[];
}

/** What the file storage costs beside the same system calls by hand, and how that grows with what is stored. */
export async function benchStorage({ rounds, quick }: BenchOptions): Promise<Figure[]> {
  const [few, many, most] = quick ? [200, 2000, 5000] : [1000, 100_000, 1_000_000];
  const figures: Figure[] = [];
  const parts = [
    async () => [await benchSave(rounds, quick ? 10 : 60)],
    async () => [await benchCleanup(rounds, quick ? 200 : 4000)],
    async () => benchList(rounds, few, many),
    async () => [await benchIdleCleanup(rounds, most)],
  ];
  for (const part of parts) {
    const found = await part();
    // The table comes at the end, which is a long way off.
    for (const { what, value, ratio } of found) console.error(`${what}: ${value}, ${ratio.toFixed(3)}`);
    figures.push(...found);
  }
  return figures;
}

async function benchSave(rounds: number, count: number): Promise<Figure> {
  using folder = new TemporaryFolder();
  const storage = new FileStorage({ basePath: join(folder.path, "ours"), baseUrl: "" });
  const byHand = join(folder.path, "by-hand");
  await mkdir(byHand);
  const recordText = JSON.stringify({ ...METADATA, sha256: "0".repeat(64), created_at: new Date(0).toISOString() });
  const turns = await takeTurns(rounds, {
    ours: async () => {
      for (let index = 0; index < count; index++) {
        await storage.storeImage(PICTURE, createImageId(systemClock.nowMs()), METADATA);
      }
    },
    theirs: async () => {
      for (let index = 0; index < count; index++) await saveByHand(byHand, recordText);
    },
  });
  const ratio = median(turns.ours.map((ours, round) => ours / (turns.theirs[round] ?? Number.NaN)));
  return {
    what: "a save of 50 kB",
    value: perUnit(median(turns.ours), count),
    against: `${perUnit(median(turns.theirs), count)}: two files, each written, flushed and renamed, and the folder flushed`,
    ratio,
    goal: 1 / 0.8,
  };
}

async function saveByHand(folder: string, recordText: string): Promise<void> {
  const id = createImageId(systemClock.nowMs());
  for (const [extension, bytes] of [
    ["json", recordText],
    ["png", PICTURE],
  ] as const) {
    const path = join(folder, `${id}.${extension}`);
    const file = await open(`${path}.tmp`, "wx");
    await file.writeFile(bytes);
    await file.datasync();
    await file.close();
    await rename(`${path}.tmp`, path);
  }
  const handle = await open(folder, "r");
  await handle.sync();
  await handle.close();
}

async function benchList(rounds: number, few: number, many: number): Promise<Figure[]> {
  using folder = new TemporaryFolder();
  const nowMs = systemClock.nowMs();
  const [small, large, flat] = ["small", "large", "flat"].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  await plantTimeFolders(small, few, nowMs);
  await plantTimeFolders(large, many, nowMs);
  await plantFlat(flat, many);
  const listFresh = async (basePath: string): Promise<void> => {
    const storage = new FileStorage({ basePath, baseUrl: "" }); // nothing of it is cached
    const { records } = await storage.findImages(PAGE);
    if (records.length !== PAGE.limit) throw new Error(`${records.length} records were listed`);
  };
  const growth = await takeTurns(rounds, { ours: async () => listFresh(large), theirs: async () => listFresh(small) });
  const against = await takeTurns(Math.min(rounds, 3), {
    ours: async () => listFresh(large),
    theirs: async () => {
      await listFlat(flat);
      collectGarbage(); // of a hundred thousand records: theirs to pay for
    },
  });
  const value = perUnit(median(growth.ours), 1);
  return [
    {
      what: `the newest 100 of ${many}`,
      value,
      against: `${perUnit(median(growth.theirs), 1)}: the newest 100 of ${few}`,
      ratio: median(growth.ours.map((ours, round) => ours / (growth.theirs[round] ?? Number.NaN))),
      goal: 2,
    },
    {
      what: `the newest 100 of ${many}`,
      value: perUnit(median(against.ours), 1),
      against: `${perUnit(median(against.theirs), 1)}: the same of a flat folder, every record read`,
      ratio: median(against.ours.map((ours, round) => ours / (against.theirs[round] ?? Number.NaN))),
      goal: 1 / 500,
    },
  ];
}

/** As the earlier server did it. */
async function listFlat(folder: string): Promise<unknown[]> {
  const records: { readonly created_at: string }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".json")) continue;
    records.push(JSON.parse(await readFile(join(folder, name), "utf8")));
    await stat(join(folder, name.replace(".json", ".png")));
  }
  return records.sort((one, other) => (one.created_at < other.created_at ? 1 : -1)).slice(0, PAGE.limit);
}

/** Empty files do here: an idle cleanup looks at names of folders alone. */
async function benchIdleCleanup(rounds: number, count: number): Promise<Figure> {
  using folder = new TemporaryFolder();
  const nowMs = systemClock.nowMs();
  await plantNames(folder.path, count, nowMs);
  const storage = new FileStorage({ basePath: folder.path, baseUrl: "", clock: createFakeClock({ nowMs }) });
  for (let run = 0; run < 30; run++) await storage.cleanupExpiredImages(48 * 3600); // looks once for leftovers
  const times: number[] = [];
  for (let round = 0; round < Math.max(rounds, 9); round++) {
    times.push(await time(async () => void (await storage.cleanupExpiredImages(48 * 3600))));
  }
  const value = median(times);
  return {
    what: `a cleanup with nothing to do, at ${count}`,
    value: perUnit(value, 1),
    against: "2 ms",
    ratio: value / 2,
    goal: 1,
  };
}

async function benchCleanup(rounds: number, count: number): Promise<Figure> {
  using folder = new TemporaryFolder();
  const nowMs = systemClock.nowMs();
  const basePath = join(folder.path, "ours");
  const byHand = join(folder.path, "by-hand");
  const storage = new FileStorage({ basePath, baseUrl: "", clock: createFakeClock({ nowMs: nowMs + 3 * HOUR_MS }) });
  const turns: Turns = { ours: [], theirs: [] };
  for (let round = 0; round < rounds; round++) {
    await plantTimeFolders(basePath, count, nowMs, 2 * HOUR_MS);
    await plantTimeFolders(byHand, count, nowMs, 2 * HOUR_MS);
    const paths = listFiles(byHand);
    const ours = async (): Promise<void> => {
      turns.ours.push(await time(async () => void (await storage.cleanupExpiredImages(3600))));
    };
    const theirs = async (): Promise<void> => {
      turns.theirs.push(await time(async () => unlinkAll(paths)));
    };
    for (const turn of round % 2 === 0 ? [ours, theirs] : [theirs, ours]) await turn();
  }
  return {
    what: "a cleanup, per picture",
    value: perUnit(median(turns.ours), count),
    against: `${perUnit(median(turns.theirs), count)}: both files unlinked, 16 at a time`,
    ratio: median(turns.ours.map((ours, round) => ours / (turns.theirs[round] ?? Number.NaN))),
    goal: 2,
  };
}

async function unlinkAll(paths: readonly string[]): Promise<void> {
  const queue = paths.values();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const path of queue) await unlink(path);
    }),
  );
}

function listFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Pictures spread over a time until now, as `FileStorage` lays them down, without its flushes. */
async function plantTimeFolders(root: string, count: number, nowMs: number, spanMs = DAY_MS): Promise<void> {
  await plant(toPlaces(root, count, nowMs, spanMs), ({ id, folder, createdAtMs }) => {
    writeFileSync(join(folder, `${id}.png`), SMALL);
    writeFileSync(join(folder, `${id}.json`), toRecordText(id, createdAtMs));
  });
}

async function plantNames(root: string, count: number, nowMs: number): Promise<void> {
  await plant(toPlaces(root, count, nowMs, DAY_MS), ({ id, folder }) => writeFileSync(join(folder, `${id}.png`), ""));
}

async function plantFlat(root: string, count: number): Promise<void> {
  mkdirSync(root, { recursive: true });
  await plant(Array.from({ length: count }).keys(), (index) => {
    const id = `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
    writeFileSync(join(root, `${id}.png`), SMALL);
    writeFileSync(join(root, `${id}.json`), toRecordText(id, index));
  });
}

/** Lets signals in between: a million files take a while. */
async function plant<Place>(places: Iterable<Place>, write: (place: Place) => void): Promise<void> {
  let count = 0;
  for (const place of places) {
    write(place);
    if (++count % 1000 === 0) await setImmediate();
  }
}

function* toPlaces(
  root: string,
  count: number,
  nowMs: number,
  spanMs: number,
): Generator<{ readonly id: string; readonly folder: string; readonly createdAtMs: number }> {
  const made = new Set<string>();
  for (let index = 0; index < count; index++) {
    const createdAtMs = Math.floor(nowMs - (spanMs * index) / count);
    const at = new Date(createdAtMs).toISOString();
    const folder = join(root, at.slice(0, 10), `${at.slice(11, 13)}-${at.slice(14, 15)}0`);
    if (!made.has(folder)) mkdirSync(folder, { recursive: true });
    made.add(folder);
    yield { id: createImageId(createdAtMs), folder, createdAtMs };
  }
}

function toRecordText(id: string, createdAtMs: number): string {
  const facts = { image_id: id, created_at: new Date(createdAtMs).toISOString(), size: SMALL.length, format: "png" };
  return JSON.stringify({ ...METADATA, ...facts, sha256: "0".repeat(64) });
}

async function takeTurns(
  rounds: number,
  { ours, theirs }: { readonly ours: () => Promise<void>; readonly theirs: () => Promise<void> },
): Promise<Turns> {
  const turns: Turns = { ours: [], theirs: [] };
  await ours();
  await theirs(); // the first makes code and names hot
  for (let round = 0; round < rounds; round++) {
    const inOrder = [async () => turns.ours.push(await time(ours)), async () => turns.theirs.push(await time(theirs))];
    for (const turn of round % 2 === 0 ? inOrder : inOrder.toReversed()) await turn();
  }
  return turns;
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

async function time(work: () => Promise<void>): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return performance.now() - startedAtMs;
}

function perUnit(milliseconds: number, count: number): string {
  const each = milliseconds / count;
  return each < 1 ? `${Math.round(each * 1000)} µs` : `${each.toFixed(1)} ms`;
}
