import { parentPort, workerData } from "node:worker_threads";
import { MCPImageError, toMcpImageError } from "../core/errors.ts";
import { encodePng } from "../core/png.ts";
import { DiffusionPipeline } from "./diffusion-pipeline.ts";
import type { DrawnPicture, GenerateMessage, WorkerError, WorkerMessage, WorkerSetup } from "./worker-messages.ts";

/** The first file of the engine's worker thread: loads the model, then draws whatever it is sent, one by one. */

const port = parentPort;
if (port === null) throw new Error("This file runs in a worker thread only");

const setup = workerData as WorkerSetup;
const cancelled = new Int32Array(setup.cancelled);

try {
  const pipeline = await DiffusionPipeline.load(setup.modelPath, setup.runtimeUrl);
  port.on("message", ({ jobId, request }: GenerateMessage) => {
    void draw(pipeline, { jobId, request }).then(
      (picture) => send({ kind: "drawn", jobId, picture }, [picture.png.buffer]),
      (error: unknown) => send({ kind: "job_failed", jobId, error: toWorkerError(error) }),
    );
  });
  send({ kind: "ready" });
} catch (error) {
  send({ kind: "load_failed", error: toWorkerError(error) });
}

async function draw(pipeline: DiffusionPipeline, { jobId, request }: GenerateMessage): Promise<DrawnPicture> {
  const { image, ...facts } = await pipeline.generate(request, (step, totalSteps) => {
    // A flag in shared memory, because messages wait until the thread is idle.
    if (Atomics.load(cancelled, 0) === jobId) throw new MCPImageError("cancelled", "The job was cancelled");
    send({ kind: "step", jobId, step, totalSteps });
  });
  return { ...facts, png: Uint8Array.from(encodePng(image)) };
}

function send(message: WorkerMessage, transfer: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

function toWorkerError(error: unknown): WorkerError {
  const { code, message, cause } = toMcpImageError(error);
  let innermost = cause;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  return { code, message, cause: innermost instanceof Error ? innermost.message.slice(0, 500) : undefined };
}
