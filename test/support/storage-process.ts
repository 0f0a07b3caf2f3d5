import { writeSync } from "node:fs";
import { createImageId } from "../../src/core/image-id.ts";
import { systemClock } from "../../src/core/clock.ts";
import { FileStorage } from "../../src/storage/file-storage.ts";
import { createSampleImage } from "../../src/testing/sample-images.ts";

/**
 * A process that works on a storage folder and says on stdout what it was promised, each line in one write.
 * `save FOLDER`: saves for ever, four at a time; a line is an id.
 * `clean FOLDER AGED FRESH`: saves that many expired and fresh pictures, waits for a line on stdin, cleans, and says
 * how many it deleted.
 */
const [mode, basePath = "", aged = "0", fresh = "0"] = process.argv.slice(2);
const storage = new FileStorage({ basePath, baseUrl: "" });
const HOUR_MS = 3_600_000;

async function saveForEver(): Promise<never> {
  for (let seed = 0; ; seed++) {
    const id = createImageId(systemClock.nowMs());
    await storage.saveImage(createSampleImage(100_000 + (seed % 50), "png", seed), id, { prompt: "a cat" });
    writeSync(1, `${id}\n`);
  }
}

async function saveAndClean(): Promise<void> {
  const nowMs = systemClock.nowMs();
  const ages = [
    ...Array.from({ length: Number(aged) }, (_, index) => HOUR_MS + 1000 + index * 20_000),
    ...Array.from({ length: Number(fresh) }, (_, index) => index * 20_000),
  ];
  for (const ageMs of ages) await storage.saveImage(createSampleImage(), createImageId(nowMs - ageMs), {});
  writeSync(1, "ready\n");
  process.stdin.once("data", () => {
    void storage.cleanupExpiredImages(3600).then((count) => {
      writeSync(1, `${count}\n`);
      process.stdin.destroy();
    });
  });
}

if (mode === "save") await Promise.all([1, 2, 3, 4].map(saveForEver));
else await saveAndClean();
