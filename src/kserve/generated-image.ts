import type { ImageFormat } from "../core/image-format.ts";
import type { JsonValue } from "../core/json.ts";

/** What to draw. A field that is absent is not sent: the model's own default holds. */
export interface GenerateImageRequest {
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** Pixels. */
  readonly width?: number;
  /** Pixels. */
  readonly height?: number;
  readonly numInferenceSteps?: number;
  readonly guidanceScale?: number;
  /** 0..2^32-1; drawn by the client when absent, so that every picture can be repeated. */
  readonly seed?: number;
}

export interface GenerateImageOptions {
  /** Aborts waiting, retries and the request in flight. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: GenerationProgress) => void;
  /** Sent as `x-request-id`, which KServe logs. */
  readonly requestId?: string;
  /** W3C trace context of the caller, passed on; what does not have its form is not. */
  readonly traceparent?: string;
}

export type GenerationProgress =
  | { readonly phase: "waking" }
  | { readonly phase: "generating"; readonly step?: number; readonly totalSteps?: number }
  | { readonly phase: "retrying"; readonly attempt: number; readonly delayMs: number };

/** Whether the seed did its work: `honoured` is proven by an echo, otherwise unknown. */
export interface SeedReport {
  readonly requested: number | null;
  readonly sent: number | null;
  readonly echoed: number | null;
  readonly honoured: boolean | "unknown";
}

/** Facts of one generation, as they leave the process. */
export interface GenerationMetadata {
  readonly prompt: string;
  readonly negative_prompt?: string;
  /** True size, read from the picture. */
  readonly width: number;
  readonly height: number;
  readonly num_inference_steps?: number;
  readonly guidance_scale?: number;
  /** The number used. */
  readonly seed: number;
  readonly seed_report: SeedReport;
  readonly model_name: string;
  /** From the send to the whole answer. */
  readonly generation_seconds: number;
  /** Our own words, such as a parameter that the model does not support. */
  readonly warnings: readonly string[];
  /** Other plain values that a trusted engine reported (`native_width`, `scheduler`); empty for foreign runtimes. */
  readonly engine?: Readonly<Record<string, JsonValue>>;
}

/** Memory on loan from a pool, and the picture in it. */
export interface PictureMemory {
  /** The picture; a view, valid until the next change. */
  readonly bytes: Buffer;
  /** Puts bytes at an offset near the beginning of the picture, for which there is room in front. */
  insert(offset: number, chunk: Uint8Array): void;
  /** Ends the loan: the bytes may then become those of another picture. */
  release(): void;
}

/** A verified picture. */
export interface GeneratedImage {
  readonly imageData: Buffer;
  /** Where `imageData` lies, when that is on loan; whoever reads it last releases it, or leaves it to the garbage collector. */
  readonly memory?: PictureMemory | undefined;
  readonly format: ImageFormat;
  readonly metadata: GenerationMetadata;
}

export interface WaitUntilIdleOptions {
  readonly signal: AbortSignal;
  /** How much longer the job may take, by what earlier ones took. */
  readonly estimatedMs: number;
}

/** Who is asked for pictures. */
export interface Upstream {
  /** `undefined` as long as it is not known. */
  readonly modelName: string | undefined;
  /** `undefined` for an engine of this process. */
  readonly server: { readonly hostname: string; readonly port: number } | undefined;
}

/** What the image service needs of a generator; `KServeClient` and `MockKServeClient` are ones. */
export interface ImageGenerator {
  /** @throws {KServeError} */
  generateImage(request: GenerateImageRequest, options?: GenerateImageOptions): Promise<GeneratedImage>;
  /** True when the endpoint serves the model or is busy with a job; never throws. */
  healthCheck(options?: { readonly signal?: AbortSignal }): Promise<boolean>;
  /**
   * Resolves when a job that was abandoned has probably ended: the endpoint answers again, or `estimatedMs` are over.
   * Never rejects; an aborted signal ends the wait.
   */
  waitUntilIdle?(options: WaitUntilIdleOptions): Promise<void>;
  /** Told to whoever follows calls from one service to the next. */
  readonly upstream?: Upstream | undefined;
}
