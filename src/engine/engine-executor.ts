import type { Clock } from "../core/clock.ts";
import { ConfigurationError, MCPImageError } from "../core/errors.ts";
import { getLogger } from "../logging/logger.ts";
import type { ExecutorEnd, ExecutorLife, StartExecutor } from "./executor-life.ts";
import type { GenerationRequest } from "./generation-request.ts";
import type { DrawnPicture, WorkerError, WorkerMessage } from "./worker-messages.ts";

export interface EngineExecutorOptions {
  /** Starts a thread or a process that loads the model. */
  readonly start: StartExecutor;
  readonly clock: Clock;
  /** How long a cancelled job may take to reach its next step before its executor is ended. Default 2000. */
  readonly cancelGraceMs?: number | undefined;
}

export interface GenerateOptions {
  readonly signal: AbortSignal;
  readonly onStep: (step: number, totalSteps: number) => void;
}

const DEFAULT_CANCEL_GRACE_MS = 2000;

interface Job {
  readonly id: number;
  readonly on: LoadedLife;
  readonly options: GenerateOptions;
  readonly outcome: PromiseWithResolvers<DrawnPicture>;
}

interface LoadedLife {
  readonly life: ExecutorLife;
  readonly loaded: PromiseWithResolvers<void>;
  isReady: boolean;
}

/** Holds the model outside of this thread. It draws one picture at a time and is started again when it dies. */
export class EngineExecutor {
  readonly #options: EngineExecutorOptions;
  readonly #logger = getLogger("engine");
  readonly #ends = new Set<Promise<void>>();
  #current: LoadedLife | undefined;
  #job: Job | undefined;
  #jobs = 0;
  #isClosed = false;
  #hasLoaded = false;

  constructor(options: EngineExecutorOptions) {
    this.#options = options;
  }

  get isReady(): boolean {
    return this.#current?.isReady ?? false;
  }

  /** True once the model was loaded, even while an executor that died is replaced. */
  get hasLoaded(): boolean {
    return this.#hasLoaded;
  }

  /**
   * Starts the executor if none runs, and waits until the model is loaded.
   *
   * @throws {ConfigurationError} `configuration_invalid` naming what of the model is missing or cannot be used
   */
  async start(): Promise<void> {
    if (this.#isClosed) throw closed();
    this.#current ??= this.#begin();
    await this.#current.loaded.promise;
  }

  /**
   * Draws one picture; call it again only when the last call has settled. An abort ends the job at its next step, or
   * ends the executor when that takes too long.
   *
   * @throws {MCPImageError} `cancelled`, `upstream_error` when the executor died, `out_of_memory`, or the pipeline's code
   */
  async generate(request: GenerationRequest, options: GenerateOptions): Promise<DrawnPicture> {
    await this.start();
    if (options.signal.aborted) throw cancelled();
    const current = this.#current;
    if (current === undefined || this.#job !== undefined) throw new MCPImageError("internal", "The engine is not free");
    const job: Job = { id: ++this.#jobs, on: current, options, outcome: Promise.withResolvers() };
    this.#job = job;
    current.life.generate({ jobId: job.id, request });
    const settled = new AbortController();
    const onAbort = (): void => void this.#cancel(job, settled.signal);
    options.signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await job.outcome.promise;
    } catch (error) {
      if (error instanceof MCPImageError && error.code === "out_of_memory") this.#replace(current);
      throw error;
    } finally {
      options.signal.removeEventListener("abort", onAbort);
      settled.abort();
      this.#job = undefined;
    }
  }

  /** Ends the executor, and with it the job in flight. Safe to call twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#current?.life.kill();
    await Promise.all(this.#ends);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #cancel(job: Job, settled: AbortSignal): Promise<void> {
    job.on.life.cancel(job.id);
    const { clock, cancelGraceMs = DEFAULT_CANCEL_GRACE_MS } = this.#options;
    await clock.sleep(cancelGraceMs, settled).catch(() => undefined);
    if (settled.aborted) return;
    this.#replace(job.on);
    job.outcome.reject(cancelled());
  }

  #begin(): LoadedLife {
    const loaded = Promise.withResolvers<void>();
    loaded.promise.catch(() => undefined); // whoever waits for it sees the failure
    const startedMs = this.#options.clock.monotonicMs();
    const life = this.#options.start((message) => this.#receive(current, message, startedMs));
    const current: LoadedLife = { life, loaded, isReady: false };
    const end = life.ended.then((reason) => this.#onEnd(current, reason));
    this.#ends.add(end);
    void end.then(() => this.#ends.delete(end));
    return current;
  }

  #receive(current: LoadedLife, message: WorkerMessage, startedMs: number): void {
    switch (message.kind) {
      case "ready": {
        current.isReady = true;
        this.#hasLoaded = true;
        const loadMs = Math.round(this.#options.clock.monotonicMs() - startedMs);
        this.#logger.info("engine_model_loaded", { load_ms: loadMs });
        current.loaded.resolve();
        return;
      }
      case "load_failed":
        current.loaded.reject(toError(message.error));
        // The next job tries again.
        this.#drop(current);
        return;
      case "step":
        if (message.jobId === this.#job?.id) this.#job.options.onStep(message.step, message.totalSteps);
        return;
      case "drawn":
        if (message.jobId === this.#job?.id) this.#job.outcome.resolve(message.picture);
        return;
      case "job_failed":
        if (message.jobId === this.#job?.id) this.#job.outcome.reject(toError(message.error));
        return;
    }
  }

  /** Ends an executor that hangs or whose memory ran out. From now on nothing is given to it, although it ends later. */
  #replace(current: LoadedLife): void {
    if (this.#current !== current) return;
    this.#drop(current);
    this.#restart();
  }

  #drop(current: LoadedLife): void {
    current.isReady = false;
    this.#current = undefined;
    current.life.kill();
  }

  #restart(): void {
    void this.start().catch((error: unknown) => {
      if (!this.#isClosed) this.#logger.error("engine_model_failed", { error });
    });
  }

  /** The job in flight is lost with the executor; one that had loaded its model is replaced. */
  #onEnd(current: LoadedLife, { reason, isOutOfMemory }: ExecutorEnd): void {
    if (this.#current === current) this.#current = undefined;
    const code = isOutOfMemory ? "out_of_memory" : "upstream_error";
    const lost = this.#isClosed ? closed() : new MCPImageError(code, `The engine's executor ${reason}`);
    current.loaded.reject(lost);
    const job = this.#job?.on === current ? this.#job : undefined;
    const isCancelled = job?.options.signal.aborted === true;
    job?.outcome.reject(isCancelled ? cancelled() : lost);
    if (this.#isClosed || !current.isReady) return;
    current.isReady = false;
    this.#logger.warn("engine_executor_ended", { reason, cancelled: isCancelled });
    this.#restart();
  }
}

function closed(): MCPImageError {
  return new MCPImageError("shutting_down", "The engine is closed");
}

function cancelled(): MCPImageError {
  return new MCPImageError("cancelled", "The job was cancelled");
}

function toError({ code, message, cause }: WorkerError): MCPImageError {
  const options = cause === undefined ? {} : { cause: new Error(cause) };
  return code === "configuration_invalid"
    ? new ConfigurationError(code, message, options)
    : new MCPImageError(code, message, options);
}
