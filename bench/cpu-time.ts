import { readdirSync, readFileSync } from "node:fs";
import { isErrno } from "../src/core/errors.ts";

/**
 * CPU nanoseconds that a process and its children have used: the first field of `schedstat` of every living thread.
 * Linux alone. Threads that have ended are not in it, so nothing that is measured may end one.
 */
export function readCpuNs(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    sum += Number(readThreadFile(pid, thread, "schedstat").split(" ", 1)[0] ?? 0);
    for (const child of readThreadFile(pid, thread, "children").split(" ")) {
      if (child.trim() !== "") sum += readCpuNs(Number(child));
    }
  }
  return sum;
}

/** Bytes of memory that a process holds now. */
export function readResidentBytes(pid: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}

/** Empty when the thread has ended. */
function readThreadFile(pid: number, thread: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/${name}`, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return "";
    throw error;
  }
}
