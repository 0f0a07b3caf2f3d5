import { MCPImageError } from "../../src/core/errors.ts";
import type { AbstractStorage, OpenImage } from "../../src/storage/abstract-storage.ts";
import { FileStorage } from "../../src/storage/file-storage.ts";
import { S3Storage } from "../../src/storage/s3-storage.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import type { SharedAnswer, SharedCall } from "./shared-storage.ts";

/** One of several servers on the same folders and buckets: does what its parent asks of a store. */

interface OpenStorage {
  readonly storage: AbstractStorage;
  readonly clock: FakeClock;
}

const storages = new Map<string, OpenStorage>();
const opened = new Map<number, OpenImage>();
const running = new Map<number, AbortController>();

process.on("message", (call: SharedCall) => void answer(call));

async function answer(call: SharedCall): Promise<void> {
  if (call.method === "abort") {
    running.get(call.number)?.abort();
    return;
  }
  let result: SharedAnswer;
  try {
    result = { number: call.number, value: await perform(call) };
  } catch (error) {
    const { code, message } = error instanceof MCPImageError ? error : { code: undefined, message: String(error) };
    result = { number: call.number, error: { code, message } };
  }
  process.send?.(result);
}

async function perform(call: Exclude<SharedCall, { readonly method: "abort" }>): Promise<unknown> {
  const { storage, clock } = openStorage(call.target, call.nowMs);
  await clock.advance(Math.max(0, call.nowMs - clock.nowMs()));
  const controller = new AbortController();
  running.set(call.number, controller);
  const { signal } = controller;
  try {
    switch (call.method) {
      case "storeImage":
        return await storage.storeImage(call.imageData, call.imageId, call.metadata, { signal });
      case "readImage":
        return await storage.readImage(call.imageId, { signal });
      case "readRecord":
        return await storage.readRecord(call.imageId, { signal });
      case "keepImage":
        return await storage.keepImage(call.imageId, call.keep, { signal });
      case "deleteImage":
        return await storage.deleteImage(call.imageId, { signal });
      case "findImages":
        return await storage.findImages({ ...call.query, signal });
      case "cleanupExpiredImages":
        return await storage.cleanupExpiredImages(call.ttlSeconds, { ...call.options, signal });
      case "checkHealth":
        return await storage.checkHealth({ signal });
      case "openImage": {
        const image = await storage.openImage(call.imageId, { signal });
        if (image !== undefined) opened.set(call.number, image);
        return image?.record;
      }
      case "readPart": {
        const part = Buffer.alloc(call.length);
        await opened.get(call.image)?.read(part, call.position);
        return part;
      }
      case "closeImage":
        opened.get(call.image)?.close();
        return opened.delete(call.image);
      case "closeStorage":
        storages.delete(call.target);
        return await storage.close();
    }
  } finally {
    running.delete(call.number);
  }
}

function openStorage(target: string, nowMs: number): OpenStorage {
  const known = storages.get(target);
  if (known !== undefined) return known;
  const clock = createFakeClock({ nowMs });
  const storage = target.startsWith("{")
    ? new S3Storage({ baseUrl: "", clock, ...(JSON.parse(target) as { bucket: string }) })
    : new FileStorage({ basePath: target, baseUrl: "", clock });
  storages.set(target, { clock, storage });
  return { clock, storage };
}
