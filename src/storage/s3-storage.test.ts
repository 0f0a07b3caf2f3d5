import type { TestContext } from "node:test";
import {
  FAKE_S3_ACCESS_KEY_ID,
  FAKE_S3_SECRET_ACCESS_KEY,
  startFakeS3Server,
  type FakeS3Server,
  type FakeS3ServerOptions,
} from "../testing/fake-s3-server.ts";
import { testStorage } from "../testing/test-storage.ts";
import { S3Storage, type S3StorageOptions } from "./s3-storage.ts";

const BUCKET = "pictures";

async function startServer(t: TestContext, options: FakeS3ServerOptions = {}): Promise<FakeS3Server> {
  const server = await startFakeS3Server({ buckets: [BUCKET], ...options });
  t.after(async () => server.close());
  return server;
}

function createStorage(server: FakeS3Server, options: Partial<S3StorageOptions> = {}): S3Storage {
  return new S3Storage({
    bucket: BUCKET,
    prefix: "mcp-images/",
    endpointUrl: server.url,
    accessKeyId: FAKE_S3_ACCESS_KEY_ID,
    secretAccessKey: FAKE_S3_SECRET_ACCESS_KEY,
    baseUrl: "http://pictures.test",
    ...options,
  });
}

testStorage(
  "S3Storage",
  async ({ clock, baseUrl, test }) => createStorage(await startServer(test), { clock, baseUrl }),
  { countsDeletesExactly: false },
);
