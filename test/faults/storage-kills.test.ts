import assert from "node:assert/strict";
import { test } from "node:test";
import { createFaultedParent, FaultedFolder, watchCalls } from "../support/faulted-folder.ts";
import { FaultedProcess, type FaultedOperation } from "../support/faulted-process.ts";
import { Trace } from "../support/strace.ts";

/** The steps between which a crash leaves something else on the disk. */
const STEPS = ["openat", "write", "fdatasync", "fsync", "link", "rename", "unlink", "mkdir", "rmdir"];

interface Kill {
  readonly operation: FaultedOperation;
  readonly step: string;
  readonly nth: number;
}

async function planKills(parent: string, operation: FaultedOperation): Promise<Kill[]> {
  const counts = await watchCalls(parent, operation);
  return STEPS.flatMap((step) =>
    Array.from({ length: counts.get(step) ?? 0 }, (_, index) => ({ operation, step, nth: index + 1 })),
  );
}

/** Kills the process at its call, and lets another one, `survivor`, go on. */
async function kill(survivor: FaultedProcess, parent: string, { operation, step, nth }: Kill): Promise<void> {
  const folder = await FaultedFolder.create(parent);
  await using victim = await FaultedProcess.start();
  const inject = [`${step}:signal=KILL:when=${nth}`];
  const trace = await Trace.start(victim.pid, { calls: step, inject, paths: folder.paths });
  const command = folder.toCommand(operation);
  const outcome = await victim.run(command);
  await trace.stop("SIGKILL");
  assert.equal(outcome, undefined, "it was killed before it answered");
  await folder.check(command, undefined);
  if (operation !== "save") {
    const again = folder.toCommand(operation, 50);
    const next = await survivor.run(again);
    assert.ok(next && !("code" in next), `goes on: ${JSON.stringify(next)}`);
    // what was deleted already is not deleted twice
    await folder.check(again, operation === "delete" || operation === "clean" ? undefined : next);
  }
  await folder.checkSwept();
  await folder.remove();
}

// Proves: STORAGE-11
for (const operation of ["save", "keep", "release", "delete", "clean"] as const) {
  test(`FileStorage loses nothing and shows nothing half when it is killed at any step of a ${operation}`, async (t) => {
    const parent = await createFaultedParent(t);
    const kills = await planKills(parent, operation);
    const failures: string[] = [];
    await using survivor = await FaultedProcess.start();
    for (const each of kills) {
      try {
        await kill(survivor, parent, each);
      } catch (error) {
        failures.push(`${each.operation}, ${each.step} ${each.nth}: ${String(error)}`);
      }
    }
    t.diagnostic(`figure: ${kills.length} kills`);
    assert.ok(kills.length >= 5, String(kills.length));
    assert.deepEqual(failures, []);
  });
}
