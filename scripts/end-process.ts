import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

const STOP_TIMEOUT_MS = 5000;

/** Ends a process, in the end by force. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
