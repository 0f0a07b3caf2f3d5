import { writeSync } from "node:fs";
import { systemRandom } from "../../src/core/random.ts";
import type { AbstractStorage } from "../../src/storage/abstract-storage.ts";
import { FileStorage } from "../../src/storage/file-storage.ts";
import { S3Storage } from "../../src/storage/s3-storage.ts";
import { createHistoryPicture, TTL_SECONDS, type HistoryEvent, type HistoryPicture } from "./storage-history.ts";

/**
 * One of several processes that work on one store: `TARGET NUMBER OF OPERATIONS NOW_MS`. The target is a folder, or the
 * JSON of an S3 store's options. Says its events on stdout, one JSON document a line.
 */
const [target = "", numberText = "0", ofText = "1", operationsText = "0", nowText = "0"] = process.argv.slice(2);
const [number, of, operations, nowMs] = [numberText, ofText, operationsText, nowText].map(Number) as [
  number,
  number,
  number,
  number,
];
const WORKERS = 6;
const LIST_LIMIT = 50;

const storage: AbstractStorage = target.startsWith("{")
  ? new S3Storage({ baseUrl: "", ...(JSON.parse(target) as { bucket: string }) })
  : new FileStorage({ basePath: target, baseUrl: "" });
const pictures = new Map<number, HistoryPicture>();
let [saved, done] = [0, 0];

function toPicture(picture: number): HistoryPicture {
  const known = pictures.get(picture) ?? createHistoryPicture(picture, nowMs);
  pictures.set(picture, known);
  return known;
}

/** One that was saved lately by this process or, as all go at about one pace, by another. */
function pick(): number {
  const newest = saved * of;
  const back = Math.floor(systemRandom.fraction() ** 2 * Math.min(newest, 600));
  return Math.max(0, newest - back);
}

async function act(): Promise<HistoryEvent> {
  const startNs = Number(process.hrtime.bigint());
  const span = (): Pick<HistoryEvent, "startNs" | "endNs"> => ({ startNs, endNs: Number(process.hrtime.bigint()) });
  const chance = systemRandom.fraction();
  if (chance < 0.3) {
    const picture = saved++ * of + number;
    const { id, imageData } = toPicture(picture);
    await storage.storeImage(imageData, id, { prompt: `picture ${picture}`, number: picture });
    return { ...span(), kind: "save", picture, isDone: true };
  }
  const picture = pick();
  const { id } = toPicture(picture);
  if (chance < 0.8) {
    const image = await storage.readImage(id);
    const isWhole = image === undefined || image.record.size === image.imageData.length;
    const sha256 = isWhole ? image?.record.sha256 : "torn";
    const isTrue = image === undefined || toPicture(picture).imageData.equals(image.imageData);
    return { ...span(), kind: "read", picture, sha256: isTrue ? sha256 : "other bytes" };
  }
  if (chance < 0.87) {
    const record = await storage.readRecord(id);
    return { ...span(), kind: "read", picture, sha256: record?.sha256 };
  }
  if (chance < 0.91) {
    const keep = systemRandom.fraction() < 0.6;
    const isDone = await storage.keepImage(id, keep);
    return { ...span(), kind: keep ? "keep" : "release", picture, isDone };
  }
  if (chance < 0.96) {
    const isDone = await storage.deleteImage(id);
    return { ...span(), kind: "delete", picture, isDone };
  }
  if (chance < 0.995) {
    const { records, nextCursor } = await storage.findImages({ limit: LIST_LIMIT });
    const listed = records.map((record) => Number(record["number"]));
    return { ...span(), kind: "list", pictures: listed, isAll: nextCursor === undefined };
  }
  return { ...span(), kind: "clean", deleted: await storage.cleanupExpiredImages(TTL_SECONDS) };
}

async function work(): Promise<void> {
  while (done++ < operations) {
    const event = await act();
    writeSync(1, `${JSON.stringify(event)}\n`);
  }
}

await Promise.all(Array.from({ length: WORKERS }, work));
await storage.close();
