import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";

// Runs the tests that cross folders, all but those of load, with the built command, as OpenShift runs a pod: under a user that no file knows, in group
// 0, without capabilities, on file systems that cannot be written but for one folder. Needs root to get there.

const UID = 1_000_650_000;
const SCRATCH = "/mnt";
const INSIDE = "--inside";
/** What cannot run so, and where it runs instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "deploy-container.test.ts": "systemd-analyze writes to /run; in npm test",
  "distribution.test.ts": "npm reads its cache; in npm test",
  "requirements.test.ts": "of the sources; in npm test",
};

/** Fails where something could be written that should not be, or a right was kept. */
const PROBE = `
  const { readFileSync, writeFileSync, rmSync } = require("node:fs");
  const status = readFileSync("/proc/self/status", "utf8");
  const kept = [...status.matchAll(/^(Cap\\w+):\\s*(\\w+)/gm)].filter(([, , set]) => Number("0x" + set) !== 0);
  const written = [".", "dist", "/", "/tmp", "/var/tmp", "/dev/shm", "/etc"].filter((folder) => {
    try { writeFileSync(folder + "/probe", ""); return true; } catch { return false; }
  });
  writeFileSync("${SCRATCH}/probe", "");
  rmSync("${SCRATCH}/probe");
  const who = process.getuid() + ":" + process.getgid();
  console.log("user " + who + ", capabilities kept: " + kept.length + ", written outside ${SCRATCH}: " + written.length);
  process.exitCode = who === "${UID}:0" && kept.length === 0 && written.length === 0 ? 0 : 1;
`;

const root = resolve(import.meta.dirname, "..");

if (process.argv.includes(INSIDE)) {
  process.exitCode = await runInside();
} else if (process.platform !== "linux" || process.getuid?.() !== 0) {
  console.error(`NOT RUN: only root of a Linux machine can become user ${UID} on read-only file systems`);
  process.exitCode = 1;
} else if (spawnSync("unshare", ["--mount", "true"]).status !== 0) {
  console.error(
    "NOT RUN: THIS MACHINE ALLOWS NO MOUNT NAMESPACE, not even to root (a container without CAP_SYS_ADMIN)",
  );
} else {
  execFileSync(process.execPath, [resolve(root, "scripts/build.ts")], { stdio: "inherit" });
  const inside = [process.execPath, import.meta.filename, INSIDE, ...process.argv.slice(2)];
  const child = spawn("unshare", ["--mount", "--propagation", "private", ...inside], { stdio: "inherit" });
  const [status] = await once(child, "exit");
  process.exitCode = status === 0 ? 0 : 1;
}

/** In the mount namespace of its own: makes everything read-only, steps down, runs the tests. */
async function runInside(): Promise<number> {
  for (const point of listMountPoints()) execFileSync("mount", ["-o", "remount,bind,ro", point]);
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0770,uid=0,gid=0", "scratch", SCRATCH]);
  const isRestricted = run(["--eval", PROBE]);
  assert.equal((await once(isRestricted, "exit"))[0], 0, "the probe found rights that should not be there");
  const named = process.argv.slice(3);
  const files = named.length > 0 ? named : globSync("test/!(load-|storage-)*.test.ts", { cwd: root });
  const left = files.filter((file) => !(basename(file) in ELSEWHERE)).toSorted();
  for (const [file, why] of Object.entries(ELSEWHERE)) console.log(`not here: ${file} (${why})`);
  const tests = run(["--test", "--test-concurrency=2", "--test-timeout=240000", "--test-reporter=spec", ...left]);
  return (await once(tests, "exit"))[0] === 0 ? 0 : 1;
}

/** Node as the pod's user would start it. */
function run(args: readonly string[]): ReturnType<typeof spawn> {
  const who = [`--reuid=${UID}`, "--regid=0", "--clear-groups", "--no-new-privs"];
  const rights = ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
  return spawn("setpriv", [...who, ...rights, process.execPath, ...args], {
    cwd: root,
    stdio: "inherit",
    // As in such a pod: a home that cannot be written.
    env: {
      PATH: process.env["PATH"],
      HOME: "/",
      TMPDIR: SCRATCH,
      TEST_COMMAND: "dist/cli/bin.js",
    },
  });
}

/** All but the kernel's own, the deepest last. */
function listMountPoints(): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replaceAll("\\040", " "))
    .filter((point) => point !== "" && !/^\/(?:proc|sys)(?:\/|$)|^\/dev(?:\/pts)?$/.test(point));
}
