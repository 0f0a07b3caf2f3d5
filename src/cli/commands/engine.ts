import { toExecutorLimits } from "../../engine/create-executor.ts";
import { createEngineServer, type EngineAddress } from "../../engine/engine-server.ts";
import type { EngineListenOptions } from "../../engine/listen.ts";
import { getLogger } from "../../logging/logger.ts";
import { prepareSettings, type CommandContext } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";
import { waitForSignal } from "../wait-for-signal.ts";

export interface EngineCommandOptions {
  readonly envFile: string | undefined;
  readonly model?: string;
  readonly modelName?: string;
  readonly host: string;
  readonly port: number;
  /** A path, or true for a fresh one. */
  readonly socket?: string | true;
  readonly maxWaiting?: number;
  readonly executor?: string;
  readonly threads?: string;
  readonly memory?: string;
}

/** Below the 30 s after which Kubernetes kills what has not ended. */
const DRAIN_LIMIT_MS = 25_000;

const logger = getLogger("cli");

/** Runs the engine alone, as a KServe model server, until SIGTERM or SIGINT; what is drawn then may end. */
export async function engine(context: CommandContext, options: EngineCommandOptions): Promise<number> {
  const { settings } = await prepareSettings(context, {
    envFile: options.envFile,
    desk: false,
    requireEndpoint: false,
    overrides: {
      MODEL_PATH: options.model,
      ENGINE_EXECUTOR: options.executor,
      ENGINE_THREADS: options.threads,
      ENGINE_MEMORY_LIMIT: options.memory,
    },
  });
  // Before anything is started: a signal that comes early must not be lost.
  const ended = new AbortController();
  const stopped = waitForSignal(ended.signal);
  try {
    await using server = createEngineServer({
      modelPath: settings.engine.modelPath,
      modelName: options.modelName,
      maxWaiting: options.maxWaiting,
      executor: toExecutorLimits(settings.engine),
    });
    const address = await server.listen(toListenOptions(options));
    context.stdout.write(`${toUrl(address)}\n`);
    logger.info("engine_started", { url: toUrl(address), model_name: address.modelName });
    const signal = await Promise.race([stopped, server.ready().then(async () => stopped)]);
    logger.info("engine_stopping", { signal });
    await server.drain(DRAIN_LIMIT_MS);
    await server.close();
    logger.info("engine_stopped");
    return EXIT.ok;
  } finally {
    ended.abort();
  }
}

function toListenOptions({ socket, host, port }: EngineCommandOptions): EngineListenOptions | undefined {
  if (socket === true) return undefined;
  return socket === undefined ? { host, port } : { socketPath: socket };
}

/** What a client connects to; a Unix socket in the form of curl's and Docker's tools. */
function toUrl(address: EngineAddress): string {
  if ("socketPath" in address) return `unix:${address.socketPath}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `http://${host}:${address.port}`;
}
