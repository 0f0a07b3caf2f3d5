import { basename } from "node:path";
import { DEFAULT_MODEL_NAME, type Settings } from "../config/settings.ts";
import { ConfigurationError } from "../core/errors.ts";
import type { EngineServer } from "../engine/engine-server.ts";
import { shippedModelPath } from "../engine/package-files.ts";
import { ImageWorkerPool } from "../images/image-worker-pool.ts";
import type { ImageGenerator } from "../kserve/generated-image.ts";
import { KServeClient } from "../kserve/kserve-client.ts";
import { GENERATION_DEFAULTS } from "../kserve/model-profiles.ts";
import type { UpstreamObserver } from "../kserve/upstream-observer.ts";
import { BufferPool } from "../core/buffer-pool.ts";
import type { AnswerForm } from "../wire/picture-answer.ts";
import { EmbeddedGenerator } from "./embedded-generator.ts";

/** Memory for pictures that is kept between two jobs: one of the largest, or a few of the usual ones. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
const { width, height } = GENERATION_DEFAULTS;
const ADVERTISED_SIZE = { width, height };

/** What draws the pictures, and what it is called. */
export interface Generator extends AsyncDisposable {
  readonly images: ImageGenerator;
  /** The model's name as far as it is known now. */
  modelName(): string;
  /** Finds out the name, and starts the built-in engine, ahead of the first job. Failures show at the first job. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The client of the endpoint that the settings name. Does no I/O. The observer hears of requests to a remote endpoint.
 *
 * @throws {ConfigurationError} `configuration_invalid` without an endpoint, or with one that cannot be used
 */
export function createGenerator(settings: Settings, observer?: UpstreamObserver): Generator {
  const { endpoint } = settings.kserve;
  const pool = new ImageWorkerPool({ size: settings.http.workers });
  switch (endpoint?.kind) {
    case "url":
      return createRemoteGenerator(settings, endpoint.url, pool, observer);
    case "embedded":
      return createEmbeddedGenerator(settings, pool);
    case undefined:
      throw new ConfigurationError("configuration_invalid", "Cannot generate pictures: KSERVE_ENDPOINT is not set");
  }
}

function createRemoteGenerator(
  settings: Settings,
  endpoint: string,
  pool: ImageWorkerPool,
  observer: UpstreamObserver | undefined,
): Generator {
  const { modelName, access, payload, protocol, v2Mapping, allowsUrlFetch } = settings.kserve;
  const client = new KServeClient({
    ...clientOptions(settings, pool),
    endpoint,
    modelName,
    protocol,
    v2Mapping,
    allowsUrlFetch,
    ...access,
    ...payload,
    observer,
  });
  const close = async (): Promise<void> => {
    await client.close();
    await pool.close();
  };
  return {
    images: client,
    modelName: () => client.modelName ?? DEFAULT_MODEL_NAME,
    warmUp: async () => {
      // A question wakes a model that sleeps; it is asked only when the operator left the name open.
      if (client.modelName === undefined) await client.resolveModelName();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function createEmbeddedGenerator(settings: Settings, pool: ImageWorkerPool): Generator {
  const { modelPath } = settings.engine;
  let modelName = basename(modelPath ?? shippedModelPath());
  const embedded = new EmbeddedGenerator(async () => {
    const { createEngineServer } = await import("../engine/engine-server.ts");
    const { toExecutorLimits } = await import("../engine/create-executor.ts");
    const engine = createEngineServer({
      modelPath,
      maxWaiting: settings.kserve.queueDepth,
      executor: toExecutorLimits(settings.engine),
    });
    const address = await startEngine(engine);
    modelName = address.modelName;
    const client = new KServeClient({
      ...clientOptions(settings, pool),
      endpoint: "http://localhost",
      socketPath: address.socketPath,
      modelName,
      // A model knows best what suits it, except that ours gives the size that the tool advertises, not its own small one.
      modelProfile: modelPath === undefined ? ADVERTISED_SIZE : {},
      protocol: "v1",
      trustWarnings: true,
    });
    const close = async (): Promise<void> => {
      await client.close();
      await engine.close();
    };
    return { client, close };
  });
  const close = async (): Promise<void> => {
    await embedded.close();
    await pool.close();
  };
  return {
    images: embedded,
    modelName: () => modelName,
    warmUp: async () => embedded.warmUp(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A client that met a loading model would wait and ask again; waiting here is shorter. */
async function startEngine(engine: EngineServer): Promise<{ socketPath: string; modelName: string }> {
  try {
    const address = await engine.listen();
    if (!("socketPath" in address)) throw new TypeError("The engine has no socket");
    await engine.ready();
    return address;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function clientOptions(settings: Settings, pool: ImageWorkerPool) {
  return {
    timeoutSeconds: settings.kserve.timeoutSeconds,
    maxRetries: settings.kserve.maxRetries,
    maxImageBytes: settings.images.maxSizeBytes,
    pool: new BufferPool({ maxBytes: MAX_KEPT_BYTES }),
    readAside: async (body: Buffer, form: AnswerForm) => pool.readAnswer(body, form),
  };
}
