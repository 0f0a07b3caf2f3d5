import type { ImageId } from "../core/image-id.ts";
import type { JsonObject } from "../core/json.ts";
import type { GenerationProgress } from "../kserve/generated-image.ts";

export type ImageProgress =
  | { readonly phase: "queued"; readonly ahead: number; readonly estimatedSeconds: number | undefined }
  | GenerationProgress
  | { readonly phase: "saving" };

/** The answer to a generation, as it leaves the process. */
export interface GenerateImageResponse {
  readonly url: string;
  readonly image_id: string;
  readonly metadata: JsonObject;
}

/** Who waits for a job. */
export interface JobCaller {
  /** Cancels the job, as long as this caller waits for it. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImageProgress) => void;
}

/** How the work of a job tells about itself and learns that nobody wants it. */
export interface JobControl {
  readonly signal: AbortSignal;
  readonly report: (progress: ImageProgress) => void;
}

/** One generation and the caller that waits for it; another caller may take over, or nobody wait. */
export class ImageJob {
  readonly imageId: ImageId;
  readonly result: Promise<GenerateImageResponse>;
  readonly #cancel = new AbortController();
  #caller: JobCaller = {};
  #progress: ImageProgress | undefined;

  constructor(imageId: ImageId, caller: JobCaller, work: (control: JobControl) => Promise<GenerateImageResponse>) {
    this.imageId = imageId;
    this.#caller = caller;
    this.result = work({
      signal: this.#cancel.signal,
      report: (progress) => {
        this.#progress = progress;
        this.#caller.onProgress?.(progress);
      },
    });
  }

  /**
   * Waits for the job on behalf of a caller; from now on the job tells and obeys this one alone. When `limit` comes
   * first it gives `undefined`, and the job goes on for nobody.
   */
  async serve(caller: JobCaller, limit?: Promise<void>): Promise<GenerateImageResponse | undefined> {
    const isNew = caller !== this.#caller;
    this.#caller = caller;
    if (isNew && this.#progress !== undefined) caller.onProgress?.(this.#progress);
    const cancel = (): void => {
      if (this.#caller === caller) this.cancel(caller.signal?.reason);
    };
    caller.signal?.addEventListener("abort", cancel, { once: true });
    if (caller.signal?.aborted) cancel();
    try {
      return await (limit === undefined ? this.result : Promise.race([this.result, limit.then(() => undefined)]));
    } finally {
      caller.signal?.removeEventListener("abort", cancel);
      if (this.#caller === caller) this.#caller = {};
    }
  }

  /** Ends the job; its result rejects. */
  cancel(reason?: unknown): void {
    this.#cancel.abort(reason);
  }
}
