import { KServeError } from "../core/errors.ts";
import { OnFirstUse } from "../core/on-first-use.ts";
import type {
  GeneratedImage,
  GenerateImageOptions,
  GenerateImageRequest,
  ImageGenerator,
  Upstream,
  WaitUntilIdleOptions,
} from "../kserve/generated-image.ts";

/** A running engine and the client that reaches it. */
export interface RunningEngine {
  readonly client: ImageGenerator;
  /** Ends the engine; safe to call twice. */
  close(): Promise<void>;
}

/** Draws with an engine that is started by the first job, so that a process that draws nothing loads nothing. */
export class EmbeddedGenerator implements ImageGenerator, AsyncDisposable {
  readonly #engine: OnFirstUse<RunningEngine>;

  /** @param start gives the engine once its model is loaded */
  constructor(start: () => Promise<RunningEngine>) {
    this.#engine = new OnFirstUse(start);
  }

  /** Starts the engine ahead of the first job. */
  async warmUp(): Promise<void> {
    await this.#engine.load();
  }

  async generateImage(request: GenerateImageRequest, options: GenerateImageOptions = {}): Promise<GeneratedImage> {
    const { signal, onProgress } = options;
    if (this.#engine.value === undefined) onProgress?.({ phase: "waking" });
    const { client } = await Promise.race([this.#engine.load(), ...(signal ? [rejection(signal)] : [])]);
    return client.generateImage(request, options);
  }

  /** False while the model loads; an engine that nobody has needed yet is healthy. */
  async healthCheck(options?: { readonly signal?: AbortSignal }): Promise<boolean> {
    if (!this.#engine.isWanted) return true;
    return (await this.#engine.value?.client.healthCheck(options)) ?? false;
  }

  async waitUntilIdle(options: WaitUntilIdleOptions): Promise<void> {
    await this.#engine.value?.client.waitUntilIdle?.(options);
  }

  get upstream(): Upstream | undefined {
    return this.#engine.value?.client.upstream;
  }

  async close(): Promise<void> {
    const engine = await this.#engine.settle();
    await engine?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function rejection(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = (): void => reject(new KServeError("cancelled", "Job was cancelled while the engine started"));
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  return promise;
}
