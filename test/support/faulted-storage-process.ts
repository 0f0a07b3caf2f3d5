import { hash } from "node:crypto";
import { writeSync } from "node:fs";
import { inspect } from "node:util";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { MCPImageError } from "../../src/core/errors.ts";
import { systemRandom } from "../../src/core/random.ts";
import type { AbstractStorage, OpenImage } from "../../src/storage/abstract-storage.ts";
import { FileStorage } from "../../src/storage/file-storage.ts";
import { createSampleImage } from "../../src/testing/sample-images.ts";
import type { FaultedCommand, FaultedOperation, FaultedOutcome } from "./faulted-process.ts";

/**
 * A process that does what stdin says, a JSON document a line, each in a storage of its own, and answers with the outcome. It
 * draws the chance that it is told, so that whoever watches it knows the names of its temporary files.
 */
const OPERATIONS: Readonly<
  Record<FaultedOperation, (storage: AbstractStorage, command: FaultedCommand) => Promise<unknown>>
> = {
  save: async (storage, { id, seed, sizeBytes }) =>
    (await storage.storeImage(createSampleImage(sizeBytes, "png", seed), id, { prompt: `picture ${seed}` })).record
      .sha256,
  read: async (storage, { id }) => (await storage.readImage(id))?.record.sha256,
  open: async (storage, { id }) => readInParts(await storage.openImage(id)),
  record: async (storage, { id }) => (await storage.readRecord(id))?.sha256,
  keep: async (storage, { id }) => storage.keepImage(id, true),
  release: async (storage, { id }) => storage.keepImage(id, false),
  delete: async (storage, { id }) => storage.deleteImage(id),
  list: async (storage) => (await storage.findImages()).records.map(({ image_id }) => image_id),
  clean: async (storage) => storage.cleanupExpiredImages(3600),
  measure: async (storage) => (await storage.measureUsage())?.images,
  health: async (storage) => storage.checkHealth(),
};

async function readInParts(image: OpenImage | undefined): Promise<string | undefined> {
  if (image === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(image.record.size);
    for (let start = 0; start < bytes.length; start += 4000)
      await image.read(bytes.subarray(start, start + 4000), start);
    return hash("sha256", bytes);
  } finally {
    image.close();
  }
}

async function run(command: FaultedCommand): Promise<FaultedOutcome> {
  let chance = command.chance;
  Object.assign(systemRandom, { bytes: (count: number) => Buffer.alloc(count, chance++) });
  const storage = new FileStorage({ basePath: command.root, baseUrl: "" });
  try {
    return { value: await OPERATIONS[command.operation](storage, command) };
  } catch (error) {
    if (error instanceof MCPImageError) return { code: error.code, message: inspect(error.cause ?? error) };
    return { code: "not one of ours", message: String(error) };
  }
}

const lines = createInterface(process.stdin);
await stat("/"); // starts the thread that files wait for
writeSync(1, "ready\n");
for await (const line of lines) {
  const outcome = await run(JSON.parse(line));
  writeSync(1, `${JSON.stringify(outcome)}\n`);
}
