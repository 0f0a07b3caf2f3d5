import type { ErrorCode } from "../core/errors.ts";
import type { Generation } from "./diffusion-pipeline.ts";
import type { GenerationRequest } from "./generation-request.ts";

/** What the worker thread is started with. */
export interface WorkerSetup {
  readonly modelPath: string;
  readonly runtimeUrl: string;
  /** One 32-bit number: the id of the job that shall end at its next step. */
  readonly cancelled: SharedArrayBuffer;
}

/** A generation whose picture is a PNG file. */
export interface DrawnPicture extends Omit<Generation, "image"> {
  readonly png: Uint8Array<ArrayBuffer>;
}

/** To the worker. */
export interface GenerateMessage {
  readonly jobId: number;
  readonly request: GenerationRequest;
}

/** From the worker. */
export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "load_failed"; readonly error: WorkerError }
  | { readonly kind: "step"; readonly jobId: number; readonly step: number; readonly totalSteps: number }
  | { readonly kind: "drawn"; readonly jobId: number; readonly picture: DrawnPicture }
  | { readonly kind: "job_failed"; readonly jobId: number; readonly error: WorkerError };

/** An error as it crosses the thread: classes do not survive structured cloning. */
export interface WorkerError {
  readonly code: ErrorCode;
  readonly message: string;
  /** The message of its innermost cause. */
  readonly cause: string | undefined;
}
