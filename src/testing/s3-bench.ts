import type { TestContext } from "node:test";
import { createImageId, type ImageId } from "../core/image-id.ts";
import { S3Storage, type S3StorageOptions } from "../storage/s3-storage.ts";
import { createFakeClock } from "./fake-clock.ts";
import {
  FAKE_S3_ACCESS_KEY_ID,
  FAKE_S3_SECRET_ACCESS_KEY,
  startFakeS3Server,
  type FakeS3Server,
  type FakeS3ServerOptions,
} from "./fake-s3-server.ts";
import { createSampleImage } from "./sample-images.ts";

/** What the tests of `S3Storage` against `FakeS3Server` share. */
export const BUCKET = "pictures";
export const PREFIX = "mcp-images/";
export const NOW_MS = Date.UTC(2026, 2, 1, 14, 35);
export const BYTES = createSampleImage(2000);
/** Too random to fit into headers. */
export const LONG_METADATA = { noise: createSampleImage(3000).toString("base64") };

export function toS3Options(server: FakeS3Server): S3StorageOptions {
  return {
    bucket: BUCKET,
    prefix: PREFIX,
    endpointUrl: server.url,
    accessKeyId: FAKE_S3_ACCESS_KEY_ID,
    secretAccessKey: FAKE_S3_SECRET_ACCESS_KEY,
    baseUrl: "",
    clock: createFakeClock({ nowMs: NOW_MS }),
    timeoutSeconds: 60,
  };
}

export function createS3Storage(server: FakeS3Server, options: Partial<S3StorageOptions> = {}): S3Storage {
  return new S3Storage({ ...toS3Options(server), ...options });
}

export async function startS3Server(t: TestContext, options: FakeS3ServerOptions = {}): Promise<FakeS3Server> {
  const server = await startFakeS3Server({ buckets: [BUCKET], ...options });
  t.after(async () => server.close());
  return server;
}

export interface OpenedS3 {
  readonly server: FakeS3Server;
  readonly storage: S3Storage;
  readonly save: (ageMs?: number) => Promise<ImageId>;
  /** The keys in the bucket, without the prefix. */
  readonly keys: () => string[];
}

export async function openS3Storage(
  t: TestContext,
  options: FakeS3ServerOptions & Partial<S3StorageOptions> = {},
): Promise<OpenedS3> {
  const server = await startS3Server(t, options);
  const storage = createS3Storage(server, options);
  t.after(async () => storage.close());
  const save = async (ageMs = 0): Promise<ImageId> => {
    const id = createImageId(NOW_MS - ageMs);
    await storage.saveImage(BYTES, id, { prompt: "a cat" });
    return id;
  };
  const keys = (): string[] =>
    [...(server.buckets.get(BUCKET)?.keys() ?? [])].map((key) => key.replace(PREFIX, "")).sort();
  return { server, storage, save, keys };
}
