import { parentPort, workerData } from "node:worker_threads";
import { JobServer } from "./job-server.ts";
import type { GenerateMessage, ThreadSetup } from "./worker-messages.ts";

/** The first file of the engine's worker thread. */

const port = parentPort;
if (port === null) throw new Error("This file runs in a worker thread only");

const setup = workerData as ThreadSetup;
const cancelled = new Int32Array(setup.cancelled);

const server = new JobServer({
  send: (message) => port.postMessage(message, message.kind === "drawn" ? [message.picture.png.buffer] : []),
  // In shared memory, because messages wait until the thread is idle.
  isCancelled: (jobId) => Atomics.load(cancelled, 0) === jobId,
});
await server.load(setup);
port.on("message", (message: GenerateMessage) => void server.generate(message));
