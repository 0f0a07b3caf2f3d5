import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { systemClock, type Clock } from "../core/clock.ts";
import { MCPImageError } from "../core/errors.ts";
import { findPackageRoot } from "../core/package-root.ts";
import { systemRandom, type Random } from "../core/random.ts";
import { getLogger } from "../logging/logger.ts";
import { loadConfigFile } from "./config-file.ts";
import { createExecutor, type ExecutorLimits } from "./create-executor.ts";
import type { EngineExecutor } from "./engine-executor.ts";
import { JobDesk } from "./job-desk.ts";
import { listenOn, type EngineListenOptions, type ListeningAddress } from "./listen.ts";
import { loadModelLayout } from "./model-layout.ts";
import { shippedModelPath } from "./package-files.ts";
import { answerEngineRequest, type EngineService } from "./protocol/engine-routes.ts";

export interface EngineServerOptions {
  /** A folder with a diffusers ONNX export; `undefined`: the model shipped with the package. */
  readonly modelPath?: string | undefined;
  /** What clients call the model. Default: the name that it gives itself, else its folder's. */
  readonly modelName?: string | undefined;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Requests that may wait behind the one that is drawn; one more is answered 503. Default 32. */
  readonly maxWaiting?: number | undefined;
  readonly executor?: ExecutorLimits | undefined;
}

export type EngineAddress = ListeningAddress & { readonly modelName: string };

const DEFAULT_MAX_WAITING = 32;

/** The built-in diffusion engine as a KServe model server of protocols V1 and V2 with one model. */
export function createEngineServer(options: EngineServerOptions = {}): EngineServer {
  return new EngineServer(options);
}

export class EngineServer {
  readonly #options: EngineServerOptions;
  readonly #modelPath: string;
  readonly #clock: Clock;
  readonly #executor: EngineExecutor;
  readonly #desk: JobDesk;
  readonly #logger = getLogger("engine");
  readonly #closing = new AbortController();
  readonly #answers = new Set<Promise<void>>();
  #server: Server | undefined;
  #release: (() => Promise<void>) | undefined;
  #isDraining = false;

  /** @throws {ConfigurationError} `configuration_invalid` when the runtime that is asked for is not installed */
  constructor(options: EngineServerOptions) {
    const { clock = systemClock, maxWaiting = DEFAULT_MAX_WAITING } = options;
    this.#options = options;
    this.#modelPath = options.modelPath ?? shippedModelPath();
    this.#clock = clock;
    this.#executor = createExecutor(this.#modelPath, options.executor ?? {}, clock);
    this.#desk = new JobDesk({ executor: this.#executor, clock, maxWaiting });
  }

  /**
   * Begins to listen, and to load the model in the background. By default on a fresh socket that only this user can reach.
   *
   * @throws {ConfigurationError} `configuration_invalid` when the folder is not a model that the engine can run, or when
   *   the address cannot be listened on
   */
  async listen(options?: EngineListenOptions): Promise<EngineAddress> {
    if (this.#server !== undefined) throw new MCPImageError("internal", "The engine server listens already");
    const layout = await loadModelLayout(this.#modelPath);
    const packageJson = await loadConfigFile(join(findPackageRoot(), "package.json"));
    this.#throwIfClosed();
    const modelName = this.#options.modelName ?? layout.name;
    const service = this.#toService(modelName, packageJson.text("version"));
    const server = createServer((request, response) => {
      const answer = answerEngineRequest(service, request, response).catch((error: unknown) => {
        this.#logger.error("engine_answer_failed", { error });
        response.destroy();
      });
      this.#answers.add(answer);
      void answer.then(() => this.#answers.delete(answer));
    });
    this.#server = server;
    void this.ready().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#logger.error("engine_model_failed", { error });
    });
    const { address, release } = await listenOn(server, options);
    this.#release = release;
    if (this.#closing.signal.aborted) await this.close();
    this.#throwIfClosed();
    return { ...address, modelName };
  }

  /**
   * Waits until the model is loaded.
   *
   * @throws {ConfigurationError} `configuration_invalid` naming what of the model is missing or cannot be used
   */
  async ready(): Promise<void> {
    await this.#executor.start();
  }

  /** Takes no more pictures to draw, and waits until those that it took are answered, `limitMs` at most. */
  async drain(limitMs: number): Promise<void> {
    this.#isDraining = true;
    const timer = new AbortController();
    await Promise.race([Promise.all(this.#answers), this.#clock.sleep(limitMs, timer.signal).catch(() => undefined)]);
    timer.abort();
  }

  /** Cancels what is drawn or waits, and frees the model, the socket and its folder. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    const server = this.#server;
    await this.#executor.close();
    if (server?.listening === true) {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    }
    await this.#release?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #throwIfClosed(): void {
    if (this.#closing.signal.aborted) throw new MCPImageError("shutting_down", "The engine is closed");
  }

  #toService(modelName: string, version: string): EngineService {
    const desk = this.#desk;
    const isReady = (): boolean => this.#executor.isReady && !this.#isDraining;
    return {
      modelName,
      version,
      random: this.#options.random ?? systemRandom,
      get isReady() {
        return isReady();
      },
      get retryAfterSeconds() {
        return desk.retryAfterSeconds;
      },
      draw: async (requests, { requestId, signal }) => {
        if (this.#isDraining) throw new MCPImageError("shutting_down", "The engine takes no more requests");
        if (!this.#executor.hasLoaded) throw notLoaded(modelName);
        return desk.draw(requests, { requestId, signal: AbortSignal.any([signal, this.#closing.signal]) });
      },
      progressOf: (requestId) => desk.progressOf(requestId),
    };
  }
}

function notLoaded(modelName: string): MCPImageError {
  const message = `Model with name ${modelName} is not ready.`;
  return new MCPImageError("model_not_ready", message, { publicMessage: message });
}
