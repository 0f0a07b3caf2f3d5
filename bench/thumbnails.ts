import { randomFillSync } from "node:crypto";
import { systemClock } from "../src/core/clock.ts";
import { createImageId } from "../src/core/image-id.ts";
import { encodePng } from "../src/core/png.ts";
import { CONVERTED_FORMATS, THUMBNAIL_SIZES } from "../src/http/route-table.ts";
import { FileStorage } from "../src/storage/file-storage.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import type { BenchOptions } from "./bench-options.ts";
import { BenchProcess } from "./bench-process.ts";
import type { Figure } from "./report.ts";
import { median } from "./rounds.ts";
import { TemporaryFolder } from "./temporary-folder.ts";
import { startOurs } from "./web-server.ts";

const READ_BYTES = 50_000;
/** More than stay in memory, so that each is read from the disk's cache, by one of the threads that make thumbnails. */
const READ_PICTURES = 1_500;
const LARGE_PIXELS = 1024;
const LARGE_PICTURES = 40;
const PROBE_PAUSE_MS = 2;
const ROUND_MS = 1_500;

/** What a client that reads pictures notices while a thumbnail is being made for another. */
export async function benchThumbnails({ rounds, quick }: BenchOptions): Promise<Figure[]> {
  using folder = new TemporaryFolder();
  const { read, large } = await storePictures(folder.path, quick ? 10 : READ_PICTURES);
  const ours = await startOurs(folder.path, "any");
  await using _ours = ours.process;
  const urls = read.map((id) => `${ours.baseUrl}/images/${id}`).join(",");
  await using probe = await BenchProcess.script("any", "probe-client.ts", [urls, String(PROBE_PAUSE_MS)]);
  const thumbnails = listThumbnails(ours.baseUrl, large).values();
  const [quiet, disturbed]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    await probe.ask({ start: true });
    await systemClock.sleep(ROUND_MS);
    quiet.push(Number((await probe.ask({ stop: true }))["p50Ms"]));
    await probe.ask({ start: true });
    const endMs = performance.now() + ROUND_MS;
    while (performance.now() < endMs) await getThumbnail(thumbnails.next().value);
    disturbed.push(Number((await probe.ask({ stop: true }))["p50Ms"]));
  }
  // The first makes code hot.
  const ratios = disturbed.map((value, round) => value / (quiet[round] ?? Number.NaN)).slice(1);
  return [
    {
      what: "a read of 50 kB from disk cache while thumbnails are made, one after the other: p50",
      value: `${median(disturbed.slice(1)).toFixed(2)} ms`,
      against: `${median(quiet.slice(1)).toFixed(2)} ms without`,
      ratio: median(ratios),
      goal: 2,
    },
  ];
}

/** Each once: one that was made is kept. */
function listThumbnails(baseUrl: string, ids: readonly string[]): string[] {
  const forms = THUMBNAIL_SIZES.flatMap((size) => CONVERTED_FORMATS.map((format) => `size=${size}&format=${format}`));
  return forms.flatMap((form) => ids.map((id) => `${baseUrl}/images/${id}/thumbnail?${form}`));
}

async function storePictures(
  path: string,
  count: number,
): Promise<{ readonly read: string[]; readonly large: string[] }> {
  await using storage = new FileStorage({ basePath: path, baseUrl: "" });
  const save = async (picture: Buffer): Promise<string> => {
    const id = createImageId(systemClock.nowMs());
    await storage.saveImage(picture, id, {});
    return id;
  };
  const read: string[] = [];
  while (read.length < count) {
    const some = Array.from({ length: 10 }, async () => save(createSampleImage(READ_BYTES)));
    read.push(...(await Promise.all(some)));
  }
  const large: string[] = [];
  for (let index = 0; index < LARGE_PICTURES; index++) {
    const rgb = randomFillSync(Buffer.alloc(LARGE_PIXELS * LARGE_PIXELS * 3));
    for (let at = 0; at < rgb.length; at++) rgb[at] = (rgb[at] ?? 0) >> 4; // so that it compresses, as pictures do
    large.push(await save(encodePng({ width: LARGE_PIXELS, height: LARGE_PIXELS, rgb })));
  }
  return { read, large };
}

async function getThumbnail(url: string | undefined): Promise<void> {
  if (url === undefined) throw new Error("There are no more thumbnails to make");
  const response = await fetch(url);
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
}
