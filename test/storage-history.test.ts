import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { systemClock } from "../src/core/clock.ts";
import { FAKE_S3_ACCESS_KEY_ID, FAKE_S3_SECRET_ACCESS_KEY, startFakeS3Server } from "../src/testing/fake-s3-server.ts";
import {
  createHistoryPicture,
  findContradictions,
  type HistoryEvent,
  type HistoryRules,
} from "./support/storage-history.ts";

/** `PROVE=1` does all of them. */
const OPERATIONS = process.env["PROVE"] === "1" ? 50_000 : 5000;
const PROCESSES = 3;
const BUCKET = "history";

interface HistoryOptions extends Omit<HistoryRules, "toPicture"> {
  /** A folder, or the JSON of an S3 store's options. */
  readonly target: string;
  readonly operations: number;
}

/** Three processes work on one store; gives what contradicts, and says how much was done. */
async function runHistory(t: TestContext, { target, operations, ...rules }: HistoryOptions): Promise<string[]> {
  const nowMs = systemClock.nowMs();
  const share = Math.ceil(operations / PROCESSES);
  const program = join(import.meta.dirname, "support", "history-process.ts");
  const outputs = await Promise.all(
    Array.from({ length: PROCESSES }, async (_, number) => {
      const args = [program, target, ...[number, PROCESSES, share, nowMs].map(String)];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      t.after(() => child.kill("SIGKILL"));
      const ended = once(child, "exit");
      const output = await text(child.stdout);
      assert.deepEqual(await ended, [0, null]);
      return output;
    }),
  );
  const events = outputs
    .flatMap((output) => output.trimEnd().split("\n"))
    .map((line): HistoryEvent => JSON.parse(line));
  const known = new Map<number, ReturnType<HistoryRules["toPicture"]>>();
  const toPicture: HistoryRules["toPicture"] = (number) => {
    const { id, isExpired, sha256 } = known.get(number) ?? createHistoryPicture(number, nowMs);
    known.set(number, { id, isExpired, sha256 });
    return { id, isExpired, sha256 };
  };
  const counts = Object.groupBy(events, (event) => event.kind);
  const words = Object.entries(counts).map(([kind, all]) => `${all?.length ?? 0} ${kind}`);
  t.diagnostic(`figure: ${events.length} operations of ${PROCESSES} processes (${words.join(", ")})`);
  assert.equal(events.length, share * PROCESSES);
  return findContradictions(events, { ...rules, toPicture });
}

test("findContradictions() sees each way in which a store can break its word", () => {
  const toPicture: HistoryRules["toPicture"] = (number) => createHistoryPicture(number, 1e12);
  const { sha256 } = toPicture(1);
  const at = (startNs: number): { readonly startNs: number; readonly endNs: number } => ({
    startNs,
    endNs: startNs + 1,
  });
  const find = (...events: readonly HistoryEvent[]): number =>
    findContradictions(events, { toPicture, countsDeletesExactly: true }).length;
  const [saved, deleted] = [
    { ...at(10), kind: "save", picture: 1, isDone: true },
    { ...at(30), kind: "delete", picture: 1, isDone: true },
  ] as const;
  const read = (startNs: number, found?: string): HistoryEvent => ({
    ...at(startNs),
    kind: "read",
    picture: 1,
    sha256: found,
  });
  assert.equal(find(saved, read(20, sha256), deleted, read(40)), 0);
  assert.equal(find(saved, read(20)), 1);
  assert.equal(find(saved, read(20, "other bytes")), 1);
  assert.equal(find(read(5, sha256), saved), 1);
  assert.equal(find(saved, deleted, read(40, sha256)), 1);
  assert.equal(find(saved, deleted, { ...deleted, ...at(50) }), 1);
  assert.equal(find(saved, { ...at(20), kind: "list", pictures: [], isAll: true }), 1);
  assert.equal(find(saved, { ...at(20), kind: "list", pictures: [1], isAll: true }), 0);
  const old = { ...saved, picture: 7 };
  const lookAtOld = { ...at(40), kind: "read", picture: 7 } as const;
  assert.equal(find(old, lookAtOld), 0);
  assert.equal(find(old, { ...at(20), kind: "keep", picture: 7, isDone: true }, lookAtOld), 1);
});

test("FileStorage keeps the history of a store that writes once while three processes save, read, keep, delete and clean", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "storage-history-"));
  t.after(async () => rm(folder, { recursive: true, force: true }));
  const rules = { countsDeletesExactly: true };
  assert.deepEqual(await runHistory(t, { target: folder, operations: OPERATIONS, ...rules }), []);
});

async function createBucket(endpoint: string): Promise<void> {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: {
      accessKeyId: process.env["S3_TEST_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: process.env["S3_TEST_SECRET_ACCESS_KEY"] ?? "",
    },
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  client.destroy();
}

test("S3Storage keeps the history of a store that writes once while three processes save, read, keep, delete and clean", async (t) => {
  const outside = process.env["S3_TEST_ENDPOINT_URL"];
  await using server = await startFakeS3Server({ buckets: [BUCKET] });
  if (outside !== undefined) await createBucket(outside);
  const target = JSON.stringify({
    bucket: BUCKET,
    prefix: `history-${systemClock.nowMs()}/`,
    endpointUrl: outside ?? server.url,
    accessKeyId: process.env["S3_TEST_ACCESS_KEY_ID"] ?? FAKE_S3_ACCESS_KEY_ID,
    secretAccessKey: process.env["S3_TEST_SECRET_ACCESS_KEY"] ?? FAKE_S3_SECRET_ACCESS_KEY,
  });
  const rules = { countsDeletesExactly: false };
  const operations = outside === undefined ? Math.min(OPERATIONS, 3000) : OPERATIONS;
  assert.deepEqual(await runHistory(t, { target, operations, ...rules }), []);
});
