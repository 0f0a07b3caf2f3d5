import { spawn } from "node:child_process";
import { once } from "node:events";
import { startCephRgw } from "./ceph-rgw.ts";
import { startOpenStackSwift } from "./openstack-swift.ts";

/** A server of S3 that was started for the tests. */
interface S3Server extends AsyncDisposable {
  readonly url: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a user with no rights of its own, where the server has policies. */
  readonly limited?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

interface ServerKind {
  readonly name: string;
  readonly start: () => Promise<S3Server>;
  readonly tests: readonly string[];
}

const KINDS: Readonly<Record<string, ServerKind>> = {
  ceph: {
    name: "Ceph's S3 gateway (the first time, 66 MB of Debian packages are downloaded)",
    start: startCephRgw,
    tests: ["test/s3-real-server.ts", "test/storage-history.test.ts"],
  },
  swift: {
    name: "OpenStack Swift (the first time, 5 MB of Debian packages are installed)",
    start: startOpenStackSwift,
    tests: ["test/s3-real-server.ts"],
  },
};

/** Runs the tests that need a real S3 server. Fails, with the reason, where it cannot run. */
async function main(which: string): Promise<void> {
  const kind = KINDS[which];
  if (kind === undefined) throw new Error(`"${which}" is no server: ${Object.keys(KINDS).join(" or ")}`);
  console.log(`Starting ${kind.name}`);
  await using server = await kind.start();
  console.log(`It answers at ${server.url}`);
  const child = spawn(process.execPath, ["--test", "--test-reporter=spec", ...kind.tests], {
    stdio: "inherit",
    env: {
      ...process.env,
      S3_TEST_SERVER: which,
      S3_TEST_ENDPOINT_URL: server.url,
      S3_TEST_ACCESS_KEY_ID: server.accessKeyId,
      S3_TEST_SECRET_ACCESS_KEY: server.secretAccessKey,
      S3_TEST_LIMITED_ACCESS_KEY_ID: server.limited?.accessKeyId,
      S3_TEST_LIMITED_SECRET_ACCESS_KEY: server.limited?.secretAccessKey,
    },
  });
  // Who ends this ends the tests, and after them the server.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => child.kill(signal));
  const [status] = await once(child, "exit");
  process.exitCode = status === 0 ? 0 : 1;
}

await main(process.argv[2] ?? "ceph");
