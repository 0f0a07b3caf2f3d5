import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test, type TestContext } from "node:test";
import { createFaultedParent, FaultedFolder, watchCalls } from "../support/faulted-folder.ts";
import {
  FAULTED_OPERATIONS,
  FaultedProcess,
  type FaultedOperation,
  type FaultedOutcome,
} from "../support/faulted-process.ts";
import { Trace } from "../support/strace.ts";

/** What a kernel may answer to a call that opens, makes, names or removes something. */
const ERRNOS = ["EIO", "ENOSPC", "EDQUOT", "EACCES", "EROFS", "EMFILE", "ENAMETOOLONG", "EINTR"];
/** To calls that only look: a full or a read-only disk is no reason to fail. */
const LOOK_ERRNOS = ["EIO", "EACCES", "EINTR"];
/** To calls on a file that is open for writing. */
const WRITE_ERRNOS = ["EIO", "ENOSPC", "EDQUOT", "EROFS", "EINTR"];
const ERRNOS_OF: ReadonlyMap<string, readonly string[]> = new Map([
  ...["fstat", "getdents64", "newfstatat", "pread64", "read", "statfs", "statx"].map(
    (name) => [name, LOOK_ERRNOS] as const,
  ),
  ...["close", "copy_file_range", "fchmod", "fchown", "fdatasync", "fsync", "utimensat", "write"].map(
    (name) => [name, WRITE_ERRNOS] as const,
  ),
]);
/** At the least; the whole list is found by watching. */
const SYSTEM_CALLS =
  "close fdatasync fsync getdents64 link mkdir openat pread64 rename rmdir statfs statx unlink write".split(" ");
/** As many processes are made to fail at a time. */
const LANES = 2;

/** After so many, no more is tried: a process that hangs costs its whole deadline each time. */
const ENOUGH_FAILURES = 5;

interface Fault {
  readonly operation: FaultedOperation;
  readonly errno: string;
  /** What strace answers in place of the kernel. */
  readonly inject: readonly string[];
}

/** Each call that the operation makes, answered by each errno, one at a time; `always` is answered throughout. */
async function planFaults(
  parent: string,
  operation: FaultedOperation,
  always: readonly string[] = [],
): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const [name, count] of await watchCalls(parent, operation, always)) {
    if (always.some((each) => each.startsWith(`${name}:`))) continue;
    for (let nth = 1; nth <= count; nth++) {
      for (const errno of ERRNOS_OF.get(name) ?? ERRNOS)
        faults.push({ operation, errno, inject: [...always, `${name}:error=${errno}:when=${nth}`] });
    }
  }
  return faults;
}

async function tryFault(subject: FaultedProcess, parent: string, { operation, errno, inject }: Fault): Promise<void> {
  const folder = await FaultedFolder.create(parent);
  const calls = inject.map(toCall).join(",");
  await using trace = await Trace.start(subject.pid, { calls, inject, paths: folder.paths });
  const command = folder.toCommand(operation);
  const outcome = await subject.run(command);
  await trace.stop();
  assert.ok(trace.injected.includes(toCall(inject.at(-1))), "the call was answered in place of the kernel");
  assert.ok(outcome, "the process lives");
  if ("code" in outcome) assert.ok(toRightCodes(operation, errno).includes(outcome.code), JSON.stringify(outcome));
  await folder.check(command, outcome);
  assertWorks(operation, outcome, await subject.run(folder.toCommand(operation, 50)));
  await folder.checkSwept();
  await folder.remove();
}

/** What is wrong with the disk, where its answer tells that, or else which operation failed. */
function toRightCodes(operation: FaultedOperation, errno: string): readonly string[] {
  if (errno === "ENOSPC" || errno === "EDQUOT") return ["storage_full"];
  if (errno === "EACCES" || errno === "EROFS") return ["storage_unavailable"];
  const failed: Partial<Record<FaultedOperation, string>> = {
    save: "storage_write_failed",
    keep: "storage_write_failed",
    release: "storage_write_failed",
    health: "storage_write_failed",
    delete: "storage_delete_failed",
    list: "storage_list_failed",
    clean: "storage_list_failed",
    measure: "storage_list_failed",
  };
  return [failed[operation] ?? "storage_read_failed"];
}

/** Once the fault is over, the same call does what is left to do. */
function assertWorks(operation: FaultedOperation, before: FaultedOutcome, now: FaultedOutcome | undefined): void {
  assert.ok(now);
  const isSaved = operation === "save" && !("code" in before);
  if (isSaved) assert.equal("code" in now && now.code, "image_exists", "works again");
  else assert.equal("code" in now, false, `works again: ${JSON.stringify(now)}`);
}

/** The name of the call in `NAME:error=…`. */
function toCall(inject = ""): string {
  return inject.replace(/:.*/, "");
}

/** Tries all and gives what went wrong, at least the first of it. */
async function tryFaults(t: TestContext, parent: string, faults: readonly Fault[]): Promise<string[]> {
  const left = [...faults];
  const failures: string[] = [];
  const work = async (): Promise<void> => {
    await using subject = await FaultedProcess.start();
    for (let fault = left.pop(); fault !== undefined; fault = left.pop()) {
      try {
        await tryFault(subject, parent, fault);
      } catch (error) {
        failures.push(`${fault.operation}, ${fault.inject.join(" ")}: ${String(error)}`);
        if (failures.length >= ENOUGH_FAILURES) return;
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, work));
  const names = new Set(faults.map(({ inject }) => toCall(inject.at(-1))));
  t.diagnostic(`figure: ${faults.length} answers to ${names.size} system calls: ${[...names].sort().join(", ")}`);
  return failures;
}

// Proves: STORAGE-11, STORAGE-15
test("FileStorage leaves no half picture and no false answer, whatever the kernel answers to a call", async (t) => {
  const parent = await createFaultedParent(t);
  const faults: Fault[] = [];
  for (const operation of FAULTED_OPERATIONS) faults.push(...(await planFaults(parent, operation)));
  const names = new Set(faults.map(({ inject }) => toCall(inject[0])));
  assert.deepEqual(
    SYSTEM_CALLS.filter((name) => !names.has(name)),
    [],
  );
  assert.deepEqual(await tryFaults(t, parent, faults), []);
});

test("FileStorage does so too where there are no hard links", async (t) => {
  const parent = await createFaultedParent(t);
  const faults = await planFaults(parent, "save", ["link:error=EPERM"]);
  assert.deepEqual(await tryFaults(t, parent, faults), []);
});

test("FileStorage goes on where the kernel wrote less than it was asked to, and says so where it can write no more", async (t) => {
  const parent = await createFaultedParent(t);
  await using subject = await FaultedProcess.start();
  for (const inject of ["write:retval=0:when=1", "write:retval=0:when=2"]) {
    const folder = await FaultedFolder.create(parent);
    await using trace = await Trace.start(subject.pid, { calls: "write", inject: [inject], paths: folder.paths });
    const command = folder.toCommand("save");
    const outcome = await subject.run(command);
    await trace.stop();
    assert.deepEqual(trace.injected, ["write"]);
    assert.ok(outcome && "value" in outcome, JSON.stringify(outcome));
    await folder.check(command, outcome);
  }
  const folder = await FaultedFolder.create(parent);
  const limit = (sizeBytes: string): unknown =>
    execFileSync("prlimit", ["--pid", String(subject.pid), `--fsize=${sizeBytes}`]);
  limit("5000:unlimited"); // a write of more ends there, and the next one fails
  const trace = await Trace.start(subject.pid, { calls: "write", paths: folder.paths });
  const command = folder.toCommand("save");
  const outcome = await subject.run(command);
  await trace.stop();
  limit("unlimited");
  assert.ok(trace.calls.length >= 3, "the record, a part of the picture, and no more");
  assert.ok(outcome && "code" in outcome);
  assert.equal(outcome.code, "storage_write_failed");
  await folder.check(command, outcome);
  assertWorks("save", outcome, await subject.run(folder.toCommand("save", 50)));
  await folder.checkSwept();
});
