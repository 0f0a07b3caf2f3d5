import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, realpath, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { systemClock } from "../../src/core/clock.ts";
import { createImageId, parseImageId, type ImageId } from "../../src/core/image-id.ts";
import type { ImageRecord } from "../../src/storage/abstract-storage.ts";
import { toImagePath, toImagePlace, type ImagePlace } from "../../src/storage/file-layout.ts";
import { FileStorage } from "../../src/storage/file-storage.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { assertSameBytes } from "../../src/testing/same-bytes.ts";
import { createSampleImage } from "../../src/testing/sample-images.ts";
import { FaultedProcess, type FaultedCommand, type FaultedOperation, type FaultedOutcome } from "./faulted-process.ts";
import { Trace } from "./strace.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SIZE_BYTES = 9000;
/** Of the temporary file that a crash left. */
const LEFTOVER_CHANCE = 90;
/** In memory where there is such a thing: the sweep of faults makes a thousand folders. */
const QUICK_FOLDER = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
/** More temporary files than any operation makes. */
const TEMPORARY_FILES = 4;

interface Picture {
  readonly id: ImageId;
  readonly seed: number;
}

/**
 * A folder with a picture, a kept one, one whose time is over and what a crash left long ago; knows what must be true of it
 * whatever fails.
 */
export class FaultedFolder {
  readonly root: string;
  readonly #nowMs = systemClock.nowMs();
  readonly #young: Picture = { id: createImageId(this.#nowMs), seed: 1 };
  readonly #kept: Picture = { id: createImageId(this.#nowMs - HOUR_MS / 2), seed: 2 };
  readonly #expired: Picture = { id: createImageId(this.#nowMs - 2 * HOUR_MS), seed: 3 };
  /** What is saved into it. */
  readonly #fresh: Picture = { id: createImageId(this.#nowMs - HOUR_MS / 3), seed: 4 };

  private constructor(root: string) {
    this.root = root;
  }

  static async create(parent: string): Promise<FaultedFolder> {
    const folder = new FaultedFolder(await mkdtemp(join(parent, "root-")));
    const storage = folder.#open();
    for (const { id, seed } of [folder.#young, folder.#kept, folder.#expired])
      await storage.storeImage(toBytes(seed), id, { prompt: `picture ${seed}` });
    await storage.keepImage(folder.#kept.id, true);
    const leftover = join(folder.root, toTemporaryName(LEFTOVER_CHANCE));
    await writeFile(leftover, "half");
    await utimes(leftover, 1, 1);
    return folder;
  }

  /** @param chance another for each call on one folder, as temporary files may have stayed */
  toCommand(operation: FaultedOperation, chance = 1): FaultedCommand {
    const { id, seed } = { save: this.#fresh, release: this.#kept }[operation as string] ?? this.#young;
    return { operation, root: this.root, id, seed, sizeBytes: SIZE_BYTES, chance };
  }

  /** Every path that `toCommand()` may touch: a tracer takes no patterns. */
  get paths(): readonly string[] {
    const pictures = [this.#young, this.#kept, this.#expired, this.#fresh];
    const places = pictures.flatMap(({ id }) => [false, true].map((isKept) => toPlace(this.root, id, isKept)));
    const holders = [this.root, toPlace(this.root, this.#fresh.id).folder];
    const temporaries = holders.flatMap((holder) =>
      [LEFTOVER_CHANCE, ...Array.from({ length: TEMPORARY_FILES }, (_, index) => index + 1)].map((chance) =>
        join(holder, toTemporaryName(chance)),
      ),
    );
    const own = places.flatMap((place) => [
      ...place.folders,
      place.recordPath,
      ...place.formats.map((format) => toImagePath(place, format)),
    ]);
    return [...new Set([this.root, ...temporaries, ...own])];
  }

  /** Asserts what a new process may see after this command: `undefined` when it never answered. */
  async check({ operation, id }: FaultedCommand, outcome: FaultedOutcome | undefined): Promise<void> {
    const isDone = outcome !== undefined && !("code" in outcome);
    if (isDone) this.#checkValue(operation, outcome.value);
    const seen = await this.#look();
    const mustStay = [this.#young, this.#kept, this.#expired].filter(
      (picture) =>
        !(operation === "delete" && picture.id === id) && !(operation === "clean" && picture === this.#expired),
    );
    for (const picture of mustStay) assert.ok(seen.has(picture.id), `picture ${picture.seed} was lost`);
    if (operation === "save" && outcome !== undefined)
      assert.equal(seen.has(id), isDone, "what was saved is there, and what was not is not");
    if (operation === "keep" && isDone) assert.equal(seen.get(id)?.kept, true, "what was kept is kept");
    if (operation === "release" && isDone) assert.equal(seen.get(id)?.kept, undefined, "what was released is released");
    if (operation === "delete" && isDone) assert.equal(seen.has(id), false, "what was deleted is gone");
    if (operation === "clean" && isDone && outcome.value === 1)
      assert.equal(seen.has(this.#expired.id), false, "what was cleaned away is gone");
  }

  /** Asserts that the next cleanups leave the files of whole pictures, and nothing else. */
  async checkSwept(): Promise<void> {
    const later = createFakeClock({ nowMs: this.#nowMs + DAY_MS });
    await new FileStorage({ basePath: this.root, baseUrl: "", clock: later }).cleanupExpiredImages(
      (10 * DAY_MS) / 1000,
    );
    const seen = await this.#look();
    const expected = [...seen.keys()].flatMap((id) => [`${id}.json`, `${id}.png`]).sort();
    assert.deepEqual((await this.#listNames()).sort(), expected, "leftovers are swept");
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  /** What each operation says when it did its work, whatever it met on the way. */
  #checkValue(operation: FaultedOperation, value: unknown): void {
    const sha256 = (seed: number): string => hash("sha256", toBytes(seed));
    const expected: Readonly<Record<FaultedOperation, readonly unknown[]>> = {
      save: [sha256(this.#fresh.seed)],
      read: [sha256(this.#young.seed)],
      open: [sha256(this.#young.seed)],
      record: [sha256(this.#young.seed)],
      keep: [true],
      release: [true],
      delete: [true],
      list: [[this.#young, this.#kept, this.#expired].map((picture) => picture.id)],
      clean: [0, 1], // what cannot be deleted is skipped
      measure: [3],
      health: [undefined],
    };
    assert.ok(
      expected[operation].some((each) => isDeepStrictEqual(each, value)),
      `${operation} gave ${JSON.stringify(value)}`,
    );
  }

  /** What a list shows, after a look whether each is whole, has its own record, and can be read as it is listed. */
  async #look(): Promise<ReadonlyMap<string, ImageRecord>> {
    const storage = this.#open();
    const listed = new Map((await storage.findImages()).records.map((record) => [record.image_id, record]));
    for (const { id, seed } of [this.#young, this.#kept, this.#expired, this.#fresh]) {
      const image = await storage.readImage(id);
      assert.deepEqual(image?.record, listed.get(id), "list and read agree");
      if (image === undefined) continue;
      assertSameBytes(image.imageData, toBytes(seed));
      assert.equal(image.record["prompt"], `picture ${seed}`, "a picture has its own record");
      assert.equal(image.record.sha256, hash("sha256", toBytes(seed)));
    }
    const names = await this.#listNames();
    const pictures = names.filter((name) => name.endsWith(".png")).map((name) => name.replace(".png", ""));
    assert.deepEqual(pictures.sort(), [...listed.keys()].sort(), "every picture on the disk is listed, once");
    for (const id of pictures) assert.ok(names.includes(`${id}.json`), "no picture is without its record");
    return listed;
  }

  async #listNames(): Promise<string[]> {
    const entries = await readdir(this.root, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  }

  #open(): FileStorage {
    return new FileStorage({ basePath: this.root, baseUrl: "" });
  }
}

/**
 * The system calls that the operation makes on its files, each with how often the thread that makes it most makes it: a
 * tracer counts for each thread. What `inject` names fails all the while.
 */
export async function watchCalls(
  parent: string,
  operation: FaultedOperation,
  inject: readonly string[] = [],
): Promise<ReadonlyMap<string, number>> {
  await using subject = await FaultedProcess.start();
  const folder = await FaultedFolder.create(parent);
  const trace = await Trace.start(subject.pid, { calls: "all", paths: folder.paths, inject });
  const command = folder.toCommand(operation);
  const outcome = await subject.run(command);
  await trace.stop();
  await folder.check(command, outcome);
  await folder.remove();
  const counts = new Map<string, number>();
  for (const [name, calls] of Map.groupBy(trace.calls, (call) => call.name)) {
    const byThread = Map.groupBy(calls, ({ thread }) => thread);
    counts.set(name, Math.max(...[...byThread.values()].map((some) => some.length)));
  }
  return counts;
}

/** A folder for the folders of one test, by a path without links, as the tracer tells them. */
export async function createFaultedParent(t: TestContext): Promise<string> {
  const parent = await realpath(await mkdtemp(join(QUICK_FOLDER, "faulted-")));
  t.after(async () => rm(parent, { recursive: true, force: true }));
  return parent;
}

function toBytes(seed: number): Buffer {
  return createSampleImage(SIZE_BYTES, "png", seed);
}

function toTemporaryName(chance: number): string {
  return `.mcp-image-${Buffer.alloc(12, chance).toString("hex")}.tmp`;
}

function toPlace(root: string, id: ImageId, isKept = false): ImagePlace {
  const image = parseImageId(id);
  assert.ok(image);
  return toImagePlace(root, image, isKept);
}
