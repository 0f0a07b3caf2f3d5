import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { PACKAGES, toConfiguration } from "./ceph-setup.ts";
import { findFreePort } from "../test/support/free-port.ts";
import { endProcess } from "./end-process.ts";

/**
 * A real S3 server for tests: the RADOS gateway of Ceph, in memory, from Debian's packages. They are unpacked into a
 * cache folder and touch nothing else; no right of root is needed once `apt-get update` was run.
 */
export interface CephRgw extends AsyncDisposable, S3Keys {
  readonly url: string;
  /** Of the user `limited`, who may do what the policy of a bucket lets them. */
  readonly limited: S3Keys;
  /** Ends the three processes and removes their folder. */
  stop(): Promise<void>;
}

interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const START_TIMEOUT_MS = 60_000;
const TRIPLETS: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
const run = promisify(execFile);

export async function startCephRgw(): Promise<CephRgw> {
  const packagesFolder = await unpackPackages();
  const folder = await mkdtemp(join(tmpdir(), "ceph-rgw-"));
  const processes: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of processes.toReversed()) await endProcess(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { ...(await startIn(folder, packagesFolder, processes)), stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startIn(
  folder: string,
  packagesFolder: string,
  processes: ChildProcess[],
): Promise<Omit<CephRgw, "stop" | typeof Symbol.asyncDispose>> {
  const [monitorPort, gatewayPort] = [await findFreePort(), await findFreePort()];
  const triplet = TRIPLETS[process.arch] ?? "";
  const libraries = join(packagesFolder, "usr/lib", triplet);
  const env = {
    ...process.env,
    PATH: `${join(packagesFolder, "usr/bin")}:${process.env["PATH"] ?? ""}`,
    LD_LIBRARY_PATH: [libraries, join(libraries, "ceph"), join(packagesFolder, "lib", triplet)].join(":"),
    PYTHONPATH: join(packagesFolder, "usr/lib/python3/dist-packages"),
  };
  const configuration = join(folder, "ceph.conf");
  const fsid = randomUUID();
  const osdId = randomUUID();
  for (const part of ["mon", "osd"]) await mkdir(join(folder, part));
  await writeFile(join(folder, "keyring"), "");
  await writeFile(configuration, toConfiguration({ folder, libraries, fsid, monitorPort, gatewayPort }));

  const call = async (command: string, ...args: readonly string[]): Promise<string> =>
    (await run(command, args, { env, timeout: START_TIMEOUT_MS })).stdout;
  const start = async (command: string, ...args: readonly string[]): Promise<ChildProcess> => {
    const log = await open(join(folder, `${command}.out`), "w");
    const child = spawn(command, ["-c", configuration, ...args, "-f"], { env, stdio: ["ignore", log.fd, log.fd] });
    processes.push(child);
    await once(child, "spawn");
    await log.close();
    return child;
  };

  const monitors = join(folder, "monmap");
  await call("monmaptool", "--create", "--addv", "a", `[v1:127.0.0.1:${monitorPort}/0]`, "--fsid", fsid, monitors);
  await call("ceph-mon", "-c", configuration, "--mkfs", "-i", "a", "--monmap", monitors);
  await start("ceph-mon", "-i", "a");
  await call("ceph", "-c", configuration, "--connect-timeout", "30", "osd", "new", osdId, "0");
  await call("ceph", "-c", configuration, "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost");
  await call("ceph-osd", "-c", configuration, "-i", "0", "--mkfs", "--osd-uuid", osdId);
  await start("ceph-osd", "-i", "0");
  const url = `http://127.0.0.1:${gatewayPort}`;
  await waitForAnswer(url, await start("radosgw", "-n", "client.rgw"));
  const createUser = async (uid: string): Promise<S3Keys> => {
    const keys = { accessKeyId: `AK${randomUUID()}`, secretAccessKey: randomUUID() };
    const keyArgs = ["--access-key", keys.accessKeyId, "--secret-key", keys.secretAccessKey];
    await call("radosgw-admin", "-c", configuration, "user", "create", "--uid", uid, "--display-name", uid, ...keyArgs);
    return keys;
  };
  return { url, ...(await createUser("test")), limited: await createUser("limited") };
}

/** Gives the folder into which the packages are unpacked; downloads them the first time. */
async function unpackPackages(): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mcp-image-server", "ceph");
  const unpacked = join(cache, "root");
  if (existsSync(join(cache, "complete"))) return unpacked;
  const downloads = join(cache, "packages");
  await mkdir(downloads, { recursive: true });
  const download = async (): Promise<unknown> =>
    run("apt-get", ["download", "-o", "APT::Sandbox::User=root", ...(await listMissing())], { cwd: downloads });
  await download().catch(async () => {
    await run("apt-get", ["update"]); // the lists of packages are missing or too old
    await download();
  });
  for (const name of await readdir(downloads)) await run("dpkg", ["-x", join(downloads, name), unpacked]);
  await writeFile(join(cache, "complete"), "");
  return unpacked;
}

/**
 * The packages, and those that they need and this machine lacks. One that is there in another version is not replaced: a
 * second C library beside the loader of the first would not run.
 */
async function listMissing(): Promise<string[]> {
  const { stdout } = await run("apt-get", ["install", "--simulate", "--no-install-recommends", ...PACKAGES]);
  const missing = Array.from(stdout.matchAll(/^Inst (\S+) \(/gm), ([, name]) => name ?? "");
  return Array.from(new Set([...PACKAGES, ...missing]));
}

async function waitForAnswer(url: string, child: ChildProcess): Promise<void> {
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  for (;;) {
    if (child.exitCode !== null) throw new Error(`radosgw ended with status ${child.exitCode}`);
    const answer = await fetch(url, { signal }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok === true) return;
    await sleep(100, undefined, { signal });
  }
}
