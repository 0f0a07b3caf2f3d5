import { Worker } from "node:worker_threads";
import { isErrno } from "../core/errors.ts";
import { getLogger } from "../logging/logger.ts";
import type { ExecutorEnd, StartExecutor } from "./executor-life.ts";
import { findEngineFile } from "./package-files.ts";
import type { ExecutorSetup, ThreadSetup, WorkerMessage } from "./worker-messages.ts";

/** Starts worker threads: WebAssembly can be ended in the middle of a run without harm to the process. */
export function createThreadStarter(setup: ExecutorSetup, workerFile = findEngineFile("engine-worker")): StartExecutor {
  const logger = getLogger("engine");
  return (onMessage) => {
    const shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    const cancelled = new Int32Array(shared);
    // NOTE: stdout stays ours: it may be an MCP transport, and the runtime must not write into it.
    const worker = new Worker(workerFile, {
      workerData: { ...setup, cancelled: shared } satisfies ThreadSetup,
      stdout: true,
      stderr: true,
      env: {},
      execArgv: [],
    });
    worker.stdout.resume();
    worker.stderr.on("data", (text: Buffer) => logger.debug("engine_output", { text: text.toString().slice(0, 500) }));
    const ended = Promise.withResolvers<ExecutorEnd>();
    let isOutOfMemory = false;
    worker.on("message", (message: WorkerMessage) => onMessage(message));
    worker.on("error", (error) => {
      isOutOfMemory = isErrno(error, "ERR_WORKER_OUT_OF_MEMORY");
      logger.error("engine_thread_failed", { error });
    });
    worker.on("exit", (code) => ended.resolve({ reason: `ended with code ${code}`, isOutOfMemory }));
    return {
      generate: (message) => worker.postMessage(message, []),
      cancel: (jobId) => void Atomics.store(cancelled, 0, jobId),
      kill: () => void worker.terminate(),
      ended: ended.promise,
    };
  };
}
