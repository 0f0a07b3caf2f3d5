import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * The heap that Node allows itself in a container of 1 GiB, as `deploy/` has it: half of that. With the memory of a whole
 * machine before it, V8 collects so seldom that garbage alone grows for minutes.
 */
export const IN_A_CONTAINER = { NODE_OPTIONS: "--max-old-space-size=512" } as const;

/** The resident memory of a process of this machine, as Linux tells it; 0 elsewhere. */
export function readResidentBytes(pid: number | undefined): number {
  if (process.platform !== "linux") return 0;
  const [, kilobytes = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/** How many files, sockets and pipes a process has open; 0 where the system does not tell. */
export function countDescriptors(pid: number | undefined): number {
  return process.platform === "linux" ? readdirSync(`/proc/${pid}/fd`).length : 0;
}

/** What the files of a folder, and of those within, hold; those that go meanwhile count nothing. */
export function measureFolderBytes(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

/** The paths of the files in a folder and in those within; none of a folder that does not exist. */
export function listFileNames(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
}
