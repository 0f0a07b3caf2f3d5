import { Worker } from "node:worker_threads";
import type { Clock } from "../core/clock.ts";
import { ConfigurationError, MCPImageError } from "../core/errors.ts";
import { getLogger } from "../logging/logger.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { findRuntime, findEngineWorker } from "./package-files.ts";
import type { DrawnPicture, GenerateMessage, WorkerError, WorkerMessage, WorkerSetup } from "./worker-messages.ts";

export interface EngineThreadOptions {
  readonly modelPath: string;
  readonly clock: Clock;
  /** How long a cancelled job may take to reach its next step before its thread is ended. Default 2000. */
  readonly cancelGraceMs?: number | undefined;
  /** The file that the thread runs; tests give one that misbehaves. */
  readonly workerFile?: URL;
}

export interface GenerateOptions {
  readonly signal: AbortSignal;
  readonly onStep: (step: number, totalSteps: number) => void;
}

const DEFAULT_CANCEL_GRACE_MS = 2000;

interface Job {
  readonly id: number;
  readonly options: GenerateOptions;
  readonly outcome: PromiseWithResolvers<DrawnPicture>;
}

/** One life of the thread: from its start to its end. */
interface ThreadLife {
  readonly worker: Worker;
  readonly cancelled: Int32Array;
  readonly loaded: PromiseWithResolvers<void>;
  readonly ended: Promise<number>;
  isReady: boolean;
}

/** The worker thread that holds the model. It draws one picture at a time and is started again when it dies. */
export class EngineThread {
  readonly #options: EngineThreadOptions;
  readonly #logger = getLogger("engine");
  #life: ThreadLife | undefined;
  #job: Job | undefined;
  #jobs = 0;
  #isClosed = false;
  #hasLoaded = false;

  constructor(options: EngineThreadOptions) {
    this.#options = options;
  }

  get isReady(): boolean {
    return this.#life?.isReady ?? false;
  }

  /** True once the model was loaded, even while a thread that died is replaced. */
  get hasLoaded(): boolean {
    return this.#hasLoaded;
  }

  /**
   * Starts the thread if none runs, and waits until the model is loaded.
   *
   * @throws {ConfigurationError} `configuration_invalid` naming what of the model is missing or cannot be used
   */
  async start(): Promise<void> {
    if (this.#isClosed) throw new MCPImageError("shutting_down", "The engine is closed");
    this.#life ??= this.#createThread();
    await this.#life.loaded.promise;
  }

  /**
   * Draws one picture; call it again only when the last call has settled. An abort ends the job at its next step, or
   * ends the thread when that takes too long.
   *
   * @throws {MCPImageError} `cancelled`, `upstream_error` when the thread died, or the pipeline's own code
   */
  async generate(request: GenerationRequest, options: GenerateOptions): Promise<DrawnPicture> {
    await this.start();
    if (options.signal.aborted) throw cancelled();
    const life = this.#life;
    if (life === undefined || this.#job !== undefined) throw new MCPImageError("internal", "The engine is not free");
    const job: Job = { id: ++this.#jobs, options, outcome: Promise.withResolvers() };
    this.#job = job;
    life.worker.postMessage({ jobId: job.id, request } satisfies GenerateMessage, []);
    const settled = new AbortController();
    const onAbort = (): void => void this.#cancel(life, job, settled.signal);
    options.signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await job.outcome.promise;
    } finally {
      options.signal.removeEventListener("abort", onAbort);
      settled.abort();
      this.#job = undefined;
    }
  }

  /** Ends the thread, and with it the job in flight. Safe to call twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const life = this.#life;
    await life?.worker.terminate();
    await life?.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #cancel(life: ThreadLife, job: Job, settled: AbortSignal): Promise<void> {
    Atomics.store(life.cancelled, 0, job.id);
    const { clock, cancelGraceMs = DEFAULT_CANCEL_GRACE_MS } = this.#options;
    await clock.sleep(cancelGraceMs, settled).catch(() => undefined);
    if (!settled.aborted) await life.worker.terminate();
  }

  #createThread(): ThreadLife {
    const cancelled = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    const setup: WorkerSetup = { modelPath: this.#options.modelPath, runtimeUrl: findRuntime(), cancelled };
    // NOTE: stdout stays ours: it may be an MCP transport, and the runtime must not write into it.
    const worker = new Worker(this.#options.workerFile ?? findEngineWorker(), {
      workerData: setup,
      stdout: true,
      stderr: true,
      env: {},
      execArgv: [],
    });
    worker.stdout.resume();
    worker.stderr.on("data", (text: Buffer) =>
      this.#logger.debug("engine_output", { text: text.toString().slice(0, 500) }),
    );
    const loaded = Promise.withResolvers<void>();
    loaded.promise.catch(() => undefined); // whoever waits for it sees the failure
    const ended = Promise.withResolvers<number>();
    const life: ThreadLife = {
      worker,
      cancelled: new Int32Array(cancelled),
      loaded,
      ended: ended.promise,
      isReady: false,
    };
    const startedMs = this.#options.clock.monotonicMs();
    worker.on("message", (message: WorkerMessage) => this.#receive(life, message, startedMs));
    worker.on("error", (error) => this.#logger.error("engine_thread_failed", { error }));
    worker.on("exit", (exitCode) => {
      this.#onExit(life, exitCode);
      ended.resolve(exitCode);
    });
    return life;
  }

  #receive(life: ThreadLife, message: WorkerMessage, startedMs: number): void {
    switch (message.kind) {
      case "ready": {
        life.isReady = true;
        this.#hasLoaded = true;
        const loadMs = Math.round(this.#options.clock.monotonicMs() - startedMs);
        this.#logger.info("engine_model_loaded", { load_ms: loadMs });
        life.loaded.resolve();
        return;
      }
      case "load_failed":
        life.loaded.reject(toError(message.error));
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

  /** The job in flight is lost with the thread; a thread that had loaded its model is replaced. */
  #onExit(life: ThreadLife, exitCode: number): void {
    if (this.#life === life) this.#life = undefined;
    const lost = this.#isClosed
      ? new MCPImageError("shutting_down", "The engine is closed")
      : new MCPImageError("upstream_error", `The engine's thread ended with code ${exitCode}`);
    life.loaded.reject(lost);
    const isCancelled = this.#job?.options.signal.aborted === true;
    this.#job?.outcome.reject(isCancelled ? cancelled() : lost);
    if (this.#isClosed || !life.isReady) return;
    life.isReady = false;
    this.#logger.warn("engine_thread_ended", { exit_code: exitCode, cancelled: isCancelled });
    void this.start().catch((error: unknown) => this.#logger.error("engine_model_failed", { error }));
  }
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
