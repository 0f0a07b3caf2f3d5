import { describe, type TestContext } from "node:test";
import { createImageId, type ImageId } from "../core/image-id.ts";
import type { AbstractStorage } from "../storage/abstract-storage.ts";
import type { StorageLimits } from "../storage/storage-quota.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";
import { testCleaning } from "./test-storage-cleaning.ts";
import { testKeeping } from "./test-storage-keeping.ts";
import { testLimits } from "./test-storage-limits.ts";
import { testListing } from "./test-storage-listing.ts";
import { testReading } from "./test-storage-reading.ts";
import { testSaving } from "./test-storage-saving.ts";

/** What a driver gets for each storage that the suite asks for. */
export interface StorageFactoryContext {
  /** Tells the storage what is expired; the suite moves it. */
  readonly clock: FakeClock;
  /** What the storage may hold; empty but in the tests of limits. */
  readonly limits: StorageLimits;
  /** To be the base of the URLs. */
  readonly baseUrl: string;
  /** For `after()`, to remove what the storage was made on. The suite closes the storage itself, before that. */
  readonly test: TestContext;
}

/** Gives an empty storage that no other call has given. */
export type CreateStorage = (context: StorageFactoryContext) => AbstractStorage | Promise<AbstractStorage>;

export interface TestStorageOptions {
  /**
   * True (the default) when of several deletions of one picture exactly one says that it did it. Stores whose
   * deletion is idempotent and tells nothing, such as S3, cannot promise this.
   */
  readonly countsDeletesExactly?: boolean;
  /**
   * True (the default) when of several saves under one id at the same moment exactly one is kept. Servers without
   * conditional writes, such as OpenStack Swift, cannot promise this.
   */
  readonly savesExclusively?: boolean;
  /** True when the storage holds itself to the `limits` of its factory; default false. */
  readonly holdsLimits?: boolean;
}

/** One storage, and what its tests need beside it. */
export interface OpenedStorage {
  readonly storage: AbstractStorage;
  readonly clock: FakeClock;
  /** A fresh id of a picture that is this old now; a negative age lies in the future. */
  readonly createIdOfAge: (ageMs: number) => ImageId;
}

/** What a group of tests gets. */
export interface StorageSuite {
  readonly countsDeletesExactly: boolean;
  readonly savesExclusively: boolean;
  readonly holdsLimits: boolean;
  readonly openStorage: (test: TestContext, limits?: StorageLimits) => Promise<OpenedStorage>;
}

export const SUITE_BASE_URL = "http://pictures.test:8000";

/** Five minutes after the start of a month and a day, so that small ages cross every border of time. */
const START_MS = Date.UTC(2026, 2, 1, 0, 5);

/**
 * Declares, for `node:test`, what every `AbstractStorage` promises. Call it at the top of a test file:
 *
 * ```ts
 * testStorage("MyStorage", ({ clock, baseUrl }) => new MyStorage({ clock, baseUrl }));
 * ```
 */
export function testStorage(name: string, createStorage: CreateStorage, options: TestStorageOptions = {}): void {
  const openStorage = async (test: TestContext, limits: StorageLimits = {}): Promise<OpenedStorage> => {
    const clock = createFakeClock({ nowMs: START_MS });
    const opened: AbstractStorage[] = [];
    test.after(async () => Promise.all(opened.map(async (each) => each.close()))); // before the hooks of the driver
    const storage = await createStorage({ clock, limits, baseUrl: SUITE_BASE_URL, test });
    opened.push(storage);
    return { storage, clock, createIdOfAge: (ageMs) => createImageId(clock.nowMs() - ageMs) };
  };
  const { countsDeletesExactly = true, savesExclusively = true, holdsLimits = false } = options;
  const suite = { countsDeletesExactly, savesExclusively, holdsLimits, openStorage };
  describe(name, () => {
    testSaving(suite);
    testReading(suite);
    testListing(suite);
    testCleaning(suite);
    testKeeping(suite);
    testLimits(suite);
  });
}
