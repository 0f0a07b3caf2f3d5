import type { ErrorCode } from "../core/errors.ts";
import type { Generation } from "./diffusion-pipeline.ts";
import type { GenerationRequest } from "./generation-request.ts";
import type { RuntimeSetup } from "./onnx-runtime.ts";

/** What an executor is started with. */
export interface ExecutorSetup {
  readonly modelPath: string;
  readonly runtime: RuntimeSetup;
}

/** What a worker thread is started with. */
export interface ThreadSetup extends ExecutorSetup {
  /** One 32-bit number: the id of the job that shall end at its next step. */
  readonly cancelled: SharedArrayBuffer;
}

/** A generation whose picture is a PNG file. */
export interface DrawnPicture extends Omit<Generation, "image"> {
  readonly png: Uint8Array<ArrayBuffer>;
}

/** To an executor. */
export interface GenerateMessage {
  readonly jobId: number;
  readonly request: GenerationRequest;
}

/** To a child process, which shares no memory. */
export type ProcessMessage =
  | { readonly kind: "setup"; readonly setup: ExecutorSetup }
  | ({ readonly kind: "generate" } & GenerateMessage)
  | { readonly kind: "cancel"; readonly jobId: number };

/** From an executor. */
export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "load_failed"; readonly error: WorkerError }
  | { readonly kind: "step"; readonly jobId: number; readonly step: number; readonly totalSteps: number }
  | { readonly kind: "drawn"; readonly jobId: number; readonly picture: DrawnPicture }
  | { readonly kind: "job_failed"; readonly jobId: number; readonly error: WorkerError };

/** An error as it crosses the border: classes do not survive structured cloning. */
export interface WorkerError {
  readonly code: ErrorCode;
  readonly message: string;
  /** The message of its innermost cause. */
  readonly cause: string | undefined;
}
