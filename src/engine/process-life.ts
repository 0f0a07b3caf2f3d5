import { fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Clock } from "../core/clock.ts";
import { getLogger } from "../logging/logger.ts";
import type { ExecutorEnd, StartExecutor } from "./executor-life.ts";
import { findEngineFile } from "./package-files.ts";
import type { ExecutorSetup, ProcessMessage, WorkerMessage } from "./worker-messages.ts";

const MEMORY_CHECK_MS = 250;
/** Of `/proc/PID/statm`, on every system that Node's native runtime has a package for. */
const PAGE_BYTES = 4096;
const MEGABYTE = 1024 * 1024;

/**
 * Starts child processes: native code cannot be ended in the middle of a run, and what crashes it (a damaged model is
 * enough) would take the whole server along.
 */
export function createProcessStarter(setup: ExecutorSetup, clock: Clock): StartExecutor {
  const logger = getLogger("engine");
  const file = findEngineFile("engine-process");
  return (onMessage) => {
    // NOTE: stdout stays ours: it may be an MCP transport, and the runtime must not write into it.
    const child = fork(file, {
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: {},
      execArgv: [],
    });
    child.stdout?.resume();
    child.stderr?.on("data", (text: Buffer) => logger.debug("engine_output", { text: text.toString().slice(0, 500) }));
    const ended = Promise.withResolvers<ExecutorEnd>();
    const over = new AbortController();
    let isOutOfMemory = false;
    const kill = (): void => void child.kill("SIGKILL");
    const send = (message: ProcessMessage): void => {
      // One that is gone says so by its end.
      if (child.connected) child.send(message, () => undefined);
    };
    child.on("message", (message: WorkerMessage) => onMessage(message));
    child.on("error", (error) => {
      logger.error("engine_process_failed", { error });
      ended.resolve({ reason: "could not be started", isOutOfMemory });
    });
    child.on("exit", (code, signal) => {
      over.abort();
      ended.resolve({ reason: `ended with ${code === null ? `signal ${signal}` : `code ${code}`}`, isOutOfMemory });
    });
    send({ kind: "setup", setup });
    const limit = setup.runtime.memoryMegabytes;
    if (limit !== undefined && child.pid !== undefined) {
      void watchMemory({ pid: child.pid, limitBytes: limit * MEGABYTE, clock, signal: over.signal }).then((isOver) => {
        if (!isOver) return;
        isOutOfMemory = true;
        logger.warn("engine_memory_limit_reached", { limit_megabytes: limit });
        kill();
      });
    }
    return {
      generate: (message) => send({ kind: "generate", ...message }),
      cancel: (jobId) => send({ kind: "cancel", jobId }),
      kill,
      ended: ended.promise,
    };
  };
}

/** Resolves with true when the process takes more memory than it may; false where that cannot be told, or at its end. */
async function watchMemory(options: {
  readonly pid: number;
  readonly limitBytes: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<boolean> {
  const { pid, limitBytes, clock, signal } = options;
  while (!signal.aborted) {
    const statm = await readFile(`/proc/${pid}/statm`, "utf8").catch(() => undefined);
    if (statm === undefined) return false;
    if (Number(statm.split(" ")[1]) * PAGE_BYTES > limitBytes) return true;
    await clock.sleep(MEMORY_CHECK_MS, signal).catch(() => undefined);
  }
  return false;
}
