import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { requireDebianPackage } from "./debian-packages.ts";
import { findFreePort } from "../test/support/free-port.ts";
import { endProcess } from "./end-process.ts";

/** OpenStack Swift with its S3 interface, from Debian's packages: one of each server, one device in a temporary folder. */
export interface OpenStackSwift extends AsyncDisposable {
  readonly url: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

type ServerName = "account" | "container" | "object";

const START_TIMEOUT_MS = 60_000;
const PYTHON = "/usr/bin/python3";
const SERVERS = ["account", "container", "object"] as const;
/** Without the first line it looks for its hash and its policies in /etc. */
const RUN_SERVER = `import sys; from swift.common.utils import set_swift_dir; set_swift_dir(sys.argv[3])
from swift.common.wsgi import run_wsgi; sys.exit(run_wsgi(sys.argv[1], sys.argv[2]))`;
const BUILD_RING =
  "import sys; from swift.cli.ringbuilder import main; sys.argv[0] = 'swift-ring-builder'; sys.exit(main())";
const KEYS = { accessKeyId: "test:tester", secretAccessKey: "testing" };
const run = promisify(execFile);

export async function startOpenStackSwift(): Promise<OpenStackSwift> {
  requireDebianPackage("python3-swift", ["/usr/lib/python3/dist-packages/swift/__init__.py"]);
  const folder = await mkdtemp(join(tmpdir(), "openstack-swift-"));
  const processes: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of processes.toReversed()) await endProcess(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { ...KEYS, url: await startIn(folder, processes), [Symbol.asyncDispose]: stop };
  } catch (error) {
    const words = await readLastWords(folder);
    await stop();
    throw new Error(`OpenStack Swift does not start\n${words}`, { cause: error });
  }
}

async function startIn(folder: string, processes: ChildProcess[]): Promise<string> {
  await mkdir(join(folder, "devices", "d1"), { recursive: true });
  await writeFile(join(folder, "swift.conf"), SWIFT_CONF);
  const start = async (server: string, port: number, rest: string): Promise<void> => {
    const configuration = join(folder, `${server}-server.conf`);
    await writeFile(configuration, toDefaults(folder, port) + rest);
    const log = await open(join(folder, `${server}.log`), "w");
    const child = spawn(PYTHON, ["-c", RUN_SERVER, configuration, `${server}-server`, folder], {
      stdio: ["ignore", log.fd, log.fd],
    });
    processes.push(child);
    await once(child, "spawn");
    await log.close();
  };
  for (const server of SERVERS) {
    const port = await findFreePort();
    await buildRing(folder, server, port);
    await start(server, port, toServerConf(server));
  }
  const port = await findFreePort();
  await start("proxy", port, PROXY_CONF);
  const url = `http://127.0.0.1:${port}`;
  await waitUntilHealthy(url, processes);
  return url;
}

/** Which device holds what: here, one of one. */
async function buildRing(folder: string, server: ServerName, port: number): Promise<void> {
  const builder = join(folder, `${server}.builder`);
  const device = `r1z1-127.0.0.1:${port}/d1`;
  for (const args of [["create", "4", "1", "1"], ["add", device, "1"], ["rebalance"]]) {
    await run(PYTHON, ["-c", BUILD_RING, builder, ...args], { timeout: START_TIMEOUT_MS });
  }
}

async function waitUntilHealthy(url: string, processes: readonly ChildProcess[]): Promise<void> {
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  for (;;) {
    const ended = processes.find((child) => child.exitCode !== null);
    if (ended !== undefined) throw new Error(`A server of Swift ended with status ${ended.exitCode}`);
    const answer = await fetch(`${url}/healthcheck`, { signal }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok === true) return;
    await sleep(100, undefined, { signal });
  }
}

/** The end of what each server said. */
async function readLastWords(folder: string): Promise<string> {
  const logs = (await readdir(folder)).filter((name) => name.endsWith(".log"));
  const ends = logs.map(async (name) => `${name}: ${(await readFile(join(folder, name), "utf8")).slice(-500)}`);
  return (await Promise.all(ends)).join("\n");
}

const SWIFT_CONF = `[swift-hash]
swift_hash_path_suffix = test
[storage-policy:0]
name = Policy-0
default = yes
`;

function toDefaults(folder: string, port: number): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${folder}
devices = ${join(folder, "devices")}
mount_check = false
log_level = ERROR
`;
}

function toServerConf(server: ServerName): string {
  return `[pipeline:main]
pipeline = ${server}-server
[app:${server}-server]
use = egg:swift#${server}
`;
}

const PROXY_CONF = `[pipeline:main]
pipeline = catch_errors healthcheck cache s3api tempauth copy dlo slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:copy]
use = egg:swift#copy
[filter:dlo]
use = egg:swift#dlo
[filter:slo]
use = egg:swift#slo
`;
