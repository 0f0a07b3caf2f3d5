import { KServeError } from "../core/errors.ts";
import type {
  GeneratedImage,
  GenerateImageOptions,
  GenerateImageRequest,
  ImageGenerator,
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
  readonly #start: () => Promise<RunningEngine>;
  #starting: Promise<RunningEngine> | undefined;
  #engine: RunningEngine | undefined;

  /** @param start gives the engine once its model is loaded */
  constructor(start: () => Promise<RunningEngine>) {
    this.#start = start;
  }

  /** Starts the engine ahead of the first job. */
  async warmUp(): Promise<void> {
    await this.#running();
  }

  async generateImage(request: GenerateImageRequest, options: GenerateImageOptions = {}): Promise<GeneratedImage> {
    const { signal, onProgress } = options;
    if (this.#engine === undefined) onProgress?.({ phase: "waking" });
    const { client } = await Promise.race([this.#running(), ...(signal ? [rejection(signal)] : [])]);
    return client.generateImage(request, options);
  }

  /** False while the model loads; an engine that nobody has needed yet is healthy. */
  async healthCheck(options?: { readonly signal?: AbortSignal }): Promise<boolean> {
    if (this.#starting === undefined) return true;
    return (await this.#engine?.client.healthCheck(options)) ?? false;
  }

  async waitUntilIdle(options: WaitUntilIdleOptions): Promise<void> {
    await this.#engine?.client.waitUntilIdle?.(options);
  }

  async close(): Promise<void> {
    const engine = await this.#starting?.catch(() => undefined);
    await engine?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #running(): Promise<RunningEngine> {
    this.#starting ??= this.#startOnce();
    return this.#starting;
  }

  async #startOnce(): Promise<RunningEngine> {
    try {
      this.#engine = await this.#start();
      return this.#engine;
    } catch (error) {
      // The next job tries again.
      this.#starting = undefined;
      throw error;
    }
  }
}

async function rejection(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = (): void => reject(new KServeError("cancelled", "Job was cancelled while the engine started"));
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  return promise;
}
