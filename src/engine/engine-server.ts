import { createServer, type Server } from "node:http";
import { systemClock, type Clock } from "../core/clock.ts";
import { MCPImageError } from "../core/errors.ts";
import { systemRandom, type Random } from "../core/random.ts";
import { getLogger } from "../logging/logger.ts";
import { answerEngineRequest, type EngineService, type PredictOptions } from "./engine-routes.ts";
import { EngineThread } from "./engine-thread.ts";
import { parseGenerationRequest, type GenerationRequest } from "./generation-request.ts";
import { JobLine } from "./job-line.ts";
import { loadModelLayout } from "./model-layout.ts";
import { shippedModelPath } from "./package-files.ts";
import { createPrivateSocket, type PrivateSocket } from "./socket-address.ts";
import { toPrediction } from "./prediction.ts";
import type { DrawnPicture } from "./worker-messages.ts";

export interface EngineServerOptions {
  /** A folder with a diffusers ONNX export; `undefined`: the model shipped with the package. */
  readonly modelPath?: string | undefined;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Jobs that may wait behind the one that is drawn; one more is answered 503. Default 32. */
  readonly maxWaiting?: number;
  /** How long a cancelled job may go on before its thread is ended. Default 2000. */
  readonly cancelGraceMs?: number;
}

/** Where the server listens: a Unix socket (a named pipe on Windows) unless a port was asked for. */
export type EngineAddress = ({ readonly socketPath: string } | { readonly host: string; readonly port: number }) & {
  readonly modelName: string;
};

const DEFAULT_MAX_WAITING = 32;

/** The built-in diffusion engine as a KServe V1 model server with one model. */
export function createEngineServer(options: EngineServerOptions = {}): EngineServer {
  return new EngineServer(options);
}

export class EngineServer {
  readonly #modelPath: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #thread: EngineThread;
  readonly #line: JobLine;
  readonly #progress = new Map<string, { step: number; total_steps: number | null }>();
  readonly #logger = getLogger("engine");
  readonly #closing = new AbortController();
  #server: Server | undefined;
  #socket: PrivateSocket | undefined;

  constructor(options: EngineServerOptions) {
    this.#modelPath = options.modelPath ?? shippedModelPath();
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#line = new JobLine(options.maxWaiting ?? DEFAULT_MAX_WAITING);
    this.#thread = new EngineThread({
      modelPath: this.#modelPath,
      clock: this.#clock,
      cancelGraceMs: options.cancelGraceMs,
    });
  }

  /**
   * Begins to listen, and to load the model in the background. By default on a socket that only this user can reach;
   * with a port on TCP (0 takes a free one).
   *
   * @throws {ConfigurationError} `configuration_invalid` when the folder is not a model that the engine can run
   */
  async listen(tcp?: { readonly host: string; readonly port: number }): Promise<EngineAddress> {
    if (this.#server !== undefined) throw new MCPImageError("internal", "The engine server listens already");
    const { name: modelName } = await loadModelLayout(this.#modelPath);
    this.#throwIfClosed();
    const service = this.#serviceOf(modelName);
    const server = createServer((request, response) => {
      void answerEngineRequest(service, request, response).catch((error: unknown) => {
        this.#logger.error("engine_answer_failed", { error });
        response.destroy();
      });
    });
    this.#server = server;
    void this.ready().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#logger.error("engine_model_failed", { error });
    });
    if (tcp !== undefined) {
      await listening(server, () => server.listen(tcp));
      const address = server.address();
      return { host: tcp.host, port: typeof address === "object" && address ? address.port : tcp.port, modelName };
    }
    const socket = await createPrivateSocket();
    if (this.#closing.signal.aborted) await socket[Symbol.asyncDispose]();
    this.#throwIfClosed();
    this.#socket = socket;
    const { path: socketPath } = socket;
    await listening(server, () => server.listen({ path: socketPath }));
    return { socketPath, modelName };
  }

  /**
   * Waits until the model is loaded.
   *
   * @throws {ConfigurationError} `configuration_invalid` naming what of the model is missing or cannot be used
   */
  async ready(): Promise<void> {
    await this.#thread.start();
  }

  /** Cancels what is drawn or waits, and frees the model, the socket and its folder. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    const server = this.#server;
    await this.#thread.close();
    if (server?.listening === true) {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    }
    await this.#socket?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #throwIfClosed(): void {
    if (this.#closing.signal.aborted) throw new MCPImageError("shutting_down", "The engine is closed");
  }

  #serviceOf(modelName: string): EngineService {
    const thread = this.#thread;
    return {
      modelName,
      get isReady() {
        return thread.isReady;
      },
      predict: async (body, options) => {
        const request = parseGenerationRequest(body, this.#random);
        const { picture, queueMs } = await this.#draw(request, options);
        return { predictions: [toPrediction(modelName, request, picture, queueMs)] };
      },
      progressOf: (requestId) => this.#progress.get(requestId),
    };
  }

  async #draw(
    request: GenerationRequest,
    options: PredictOptions,
  ): Promise<{ picture: DrawnPicture; queueMs: number }> {
    const { requestId } = options;
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const arrivedMs = this.#clock.monotonicMs();
    const report = (step: number, totalSteps: number | null): void => {
      if (requestId !== undefined) this.#progress.set(requestId, { step, total_steps: totalSteps });
    };
    report(0, null);
    try {
      return await this.#line.run(signal, async () => {
        await this.#thread.start();
        const queueMs = this.#clock.monotonicMs() - arrivedMs;
        return { picture: await this.#thread.generate(request, { signal, onStep: report }), queueMs };
      });
    } finally {
      if (requestId !== undefined) this.#progress.delete(requestId);
    }
  }
}

async function listening(server: Server, start: () => void): Promise<void> {
  const outcome = Promise.withResolvers<void>();
  server.once("error", outcome.reject);
  server.once("listening", outcome.resolve);
  start();
  try {
    await outcome.promise;
  } finally {
    server.removeListener("error", outcome.reject);
  }
}
