import { spawn } from "node:child_process";
import { once } from "node:events";
import { startCephRgw } from "./ceph-rgw.ts";

/** Runs the tests that need a real S3 server against Ceph's gateway. Fails, with the reason, where it cannot run. */
async function main(): Promise<void> {
  console.log("Starting Ceph's S3 gateway; the first time, 57 MB of Debian packages are downloaded");
  await using gateway = await startCephRgw();
  console.log(`Ceph's S3 gateway answers at ${gateway.url}`);
  const child = spawn(
    process.execPath,
    ["--test", "--test-reporter=spec", "test/s3-real-server.ts", "test/storage-history.test.ts"],
    {
      stdio: "inherit",
      env: {
        ...process.env,
        S3_TEST_ENDPOINT_URL: gateway.url,
        S3_TEST_ACCESS_KEY_ID: gateway.accessKeyId,
        S3_TEST_SECRET_ACCESS_KEY: gateway.secretAccessKey,
      },
    },
  );
  const [status] = await once(child, "exit");
  process.exitCode = status === 0 ? 0 : 1;
}

await main();
