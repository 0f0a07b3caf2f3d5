import { MCPImageError, toMcpImageError } from "../core/errors.ts";
import { encodePng } from "../core/png.ts";
import { DiffusionPipeline } from "./diffusion-pipeline.ts";
import type { DrawnPicture, ExecutorSetup, GenerateMessage, WorkerError, WorkerMessage } from "./worker-messages.ts";

/** What runs inside an executor: it loads the model, then draws whatever it is sent, one by one. */
export class JobServer {
  readonly #send: (message: WorkerMessage) => void;
  readonly #isCancelled: (jobId: number) => boolean;
  #pipeline: DiffusionPipeline | undefined;

  constructor(options: {
    readonly send: (message: WorkerMessage) => void;
    /** Asked between two steps. */
    readonly isCancelled: (jobId: number) => boolean;
  }) {
    this.#send = options.send;
    this.#isCancelled = options.isCancelled;
  }

  async load({ modelPath, runtime }: ExecutorSetup): Promise<void> {
    try {
      this.#pipeline = await DiffusionPipeline.load(modelPath, runtime);
      this.#send({ kind: "ready" });
    } catch (error) {
      this.#send({ kind: "load_failed", error: toWorkerError(error) });
    }
  }

  async generate({ jobId, request }: GenerateMessage): Promise<void> {
    try {
      const picture = await this.#draw({ jobId, request });
      this.#send({ kind: "drawn", jobId, picture });
    } catch (error) {
      this.#send({ kind: "job_failed", jobId, error: toWorkerError(error) });
    }
  }

  async #draw({ jobId, request }: GenerateMessage): Promise<DrawnPicture> {
    if (this.#pipeline === undefined) throw new MCPImageError("internal", "The model is not loaded");
    const { image, ...facts } = await this.#pipeline.generate(request, (step, totalSteps) => {
      if (this.#isCancelled(jobId)) throw new MCPImageError("cancelled", "The job was cancelled");
      this.#send({ kind: "step", jobId, step, totalSteps });
    });
    return { ...facts, png: Uint8Array.from(encodePng(image)) };
  }
}

function toWorkerError(error: unknown): WorkerError {
  const { code, message, cause } = toMcpImageError(error);
  let innermost = cause;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  return { code, message, cause: innermost instanceof Error ? innermost.message.slice(0, 500) : undefined };
}
