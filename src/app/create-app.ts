import type { RequestListener } from "node:http";
import { AuditLog } from "../access/audit-log.ts";
import { CleanupTask } from "../cleanup/cleanup-task.ts";
import type { Settings } from "../config/settings.ts";
import { systemClock } from "../core/clock.ts";
import { OnFirstUse } from "../core/on-first-use.ts";
import { UrlSigner } from "../core/url-signer.ts";
import { toBaseUrl } from "../http/base-url.ts";
import { ImageService } from "../images/image-service.ts";
import { RedisChangeRelay } from "../images/redis-change-relay.ts";
import { PictureConverter } from "../images/picture-converter.ts";
import { PreviewMaker } from "../images/preview.ts";
import { PictureSigner } from "../images/signing/picture-signer.ts";
import { getLogger } from "../logging/logger.ts";
import { createMcpServerFactory } from "../mcp/create-mcp-server-factory.ts";
import { GenerateImageTool } from "../mcp/generate-image-tool.ts";
import { ImagePrompts } from "../mcp/image-prompts.ts";
import { ImageResources } from "../mcp/image-resources.ts";
import { ImageResults } from "../mcp/image-results.ts";
import { ImageSkills } from "../mcp/image-skills.ts";
import { ImageTasks } from "../mcp/image-tasks.ts";
import { ImageApp } from "../mcp/image-app.ts";
import { createImageTools } from "../mcp/image-tools.ts";
import type { McpFeature, McpServerBuilder } from "../mcp/mcp-tool.ts";
import type { NewsSource } from "../mcp/news.ts";
import { FairQueue } from "../queue/fair-queue.ts";
import type { AbstractStorage } from "../storage/abstract-storage.ts";
import type { JobRecords } from "../storage/job-records.ts";
import { MemoryJobRecords } from "../storage/memory-job-records.ts";
import { lateMetrics } from "../telemetry/metrics.ts";
import { PassThroughTracing, type Tracing } from "../telemetry/tracing.ts";
import { createAccessPolicy } from "./create-access-policy.ts";
import { createCallLimits } from "./create-call-limits.ts";
import type { Front } from "./create-front.ts";
import { createGenerator, type Generator } from "./create-generator.ts";
import { createJobRecords, createStorage } from "./create-storage.ts";

export interface AppOptions {
  readonly version: string;
  /**
   * Listen when the first URL is given out, and on a free port when the wanted one is taken: for stdio, where nobody
   * knows the port beforehand. Default: only when `listen()` is called, and only on the wanted port.
   */
  readonly listenOnDemand?: boolean;
  /** Where calls are reported; closed by the caller. Default: nowhere, but the caller's trace context is handed on. */
  readonly tracing?: Tracing;
  /** Parts that replace those of the settings; the app closes them as its own. */
  readonly overrides?: AppOverrides;
}

export interface AppOverrides {
  readonly storage?: AbstractStorage;
  /** Belongs to a storage of the caller's that several processes share; without it, each knows its own jobs alone. */
  readonly jobRecords?: JobRecords;
  readonly generator?: Generator;
}

/** The whole server, wired. */
export interface App extends AsyncDisposable {
  readonly images: ImageService;
  readonly generator: Generator;
  readonly cleanup: CleanupTask;
  /** Makes MCP servers, for a transport of the caller's such as stdio. */
  readonly buildMcpServer: McpServerBuilder;
  /** The names of the tools of such a server. */
  readonly toolNames: ReadonlySet<string>;
  /** What its clients can subscribe to beside what the MCP SDK knows. */
  readonly newsSources: readonly NewsSource[];
  /**
   * Answers a request of a server of the caller's, which needs `PUBLIC_BASE_URL`, with its path, and the body unread.
   * Such a server calls `cleanup.start()` itself, as `listen()` is not called.
   */
  readonly handle: RequestListener;
  /**
   * Sees that pictures can be signed, where they are to be; `listen()` does it too.
   *
   * @throws {ConfigurationError} `configuration_invalid`
   */
  checkSigning(): Promise<void>;
  /**
   * Starts to serve and to clean, and gives the base URL; again it gives the same.
   *
   * @throws {ConfigurationError} `configuration_invalid` when the address cannot be listened on, or pictures not signed
   */
  listen(): Promise<string>;
  /**
   * Finishes accepted work within the shutdown timeout, then ends everything in the reverse order of its start.
   * Safe to call twice.
   */
  close(): Promise<void>;
}

const logger = getLogger("app");

/**
 * Wires the server from its settings. Does no I/O: that begins with `listen()` or the first call of a tool.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function createApp(settings: Settings, options: AppOptions): App {
  const { version, overrides = {}, tracing = new PassThroughTracing() } = options;
  const { drainDelaySeconds } = settings.operation;
  const { publicBaseUrl } = settings.http;
  const baseUrl = (): string => front.value?.baseUrl() ?? toBaseUrl(undefined, publicBaseUrl);
  const storage = overrides.storage ?? createStorage(settings.storage, baseUrl);
  const jobRecords =
    overrides.jobRecords ?? (overrides.storage ? new MemoryJobRecords() : createJobRecords(settings.storage));
  const queue = new FairQueue({
    concurrency: settings.kserve.maxConcurrency,
    depth: settings.kserve.queueDepth,
    timeoutMs: settings.kserve.queueTimeoutSeconds * 1000,
  });
  const metrics = lateMetrics(() => front.value?.metrics);
  const generator = overrides.generator ?? createGenerator(settings, metrics);
  const { ttlSeconds } = settings.images;
  const policy = createAccessPolicy(settings.access);
  const limits = createCallLimits(settings);
  const { redisUrl } = settings.limits;
  const changeRelay = redisUrl && new RedisChangeRelay({ url: redisUrl });
  const { signingKeys, expirySeconds: urlExpirySeconds } = settings.urls;
  const urlSigner = signingKeys.length === 0 ? undefined : new UrlSigner(signingKeys);
  const audit = new AuditLog(settings.operation.auditLog);
  const { signing } = settings.images;
  const signer = signing && new PictureSigner({ settings: signing, version });
  const images = new ImageService({
    storage,
    generator: generator.images,
    queue,
    jobRecords,
    changeRelay,
    ttlSeconds,
    jobTimeoutSeconds: settings.kserve.timeoutSeconds,
    embedsPrompt: settings.images.embedsPrompt,
    signer,
    policy,
    limits,
    urlMode: settings.urls.mode,
    urlSigner,
    urlExpirySeconds,
    audit,
    tracing,
    metrics,
    ...(options.listenOnDemand && { ensureServing: async () => void (await listen()) }),
  });
  const cleanup = new CleanupTask({
    storage,
    intervalSeconds: settings.images.cleanupIntervalSeconds,
    ttlSeconds: ttlSeconds ?? Infinity,
    metrics,
  });
  const maxWait = {
    silentSeconds: settings.mcp.maxWaitSeconds,
    withProgressSeconds: settings.mcp.maxWaitWithProgressSeconds,
  };
  const converter = new PictureConverter();
  const previews = new PreviewMaker({ converter });
  const results = new ImageResults({
    images,
    previews,
    preview: settings.mcp.preview,
    hasResourceLink: settings.mcp.hasResourceLink,
  });
  const tasks = settings.mcp.hasTasks ? new ImageTasks({ images, results }) : undefined;
  const features: readonly McpFeature[] = [
    new GenerateImageTool({ images, results, modelName: () => generator.modelName(), maxWait, tasks }),
    ...createImageTools({ images, results, maxWait }),
    new ImageResources({ images, previews }),
    new ImagePrompts(),
    new ImageApp(),
    new ImageSkills(),
    ...(tasks ? [tasks] : []),
  ];
  const buildMcpServer = createMcpServerFactory({ name: settings.service.name, version, features });
  const front = new OnFirstUse(async () => {
    const { createFront } = await import("./create-front.ts");
    return createFront({
      settings,
      version,
      images,
      storage,
      generator,
      converter,
      features,
      buildMcpServer,
      policy,
      urlSigner,
      audit,
      tracing,
      queue,
      signingEnd: signer?.end,
    });
  });

  let listening: Promise<string> | undefined;
  const checkSigning = async (): Promise<void> => signer?.check();
  const start = async (): Promise<string> => {
    await checkSigning();
    const url = await (await front.load()).listen(options.listenOnDemand ?? false);
    cleanup.start();
    changeRelay?.start();
    return url;
  };
  const listen = async (): Promise<string> => {
    listening ??= start().catch((error: unknown) => {
      listening = undefined;
      throw error;
    });
    return listening;
  };
  let closing: Promise<void> | undefined;
  const shutDown = async (): Promise<void> => {
    await listening?.catch(() => undefined);
    const open = await front.settle();
    if (listening !== undefined && drainDelaySeconds > 0) {
      open?.retire();
      logger.info("server_retiring", { seconds: drainDelaySeconds });
      await systemClock.sleep(drainDelaySeconds * 1000);
    }
    await finishWork(images, open, settings.http.shutdownTimeoutSeconds * 1000);
    await cleanup.stop();
    await open?.close();
    await limits.close();
    await changeRelay?.close();
    await generator.close();
    await jobRecords.close();
    await storage.close();
  };
  const close = async (): Promise<void> => {
    closing ??= shutDown();
    return closing;
  };
  return {
    images,
    generator,
    cleanup,
    buildMcpServer,
    toolNames: new Set(features.flatMap(({ toolScopes = {} }) => Object.keys(toolScopes))),
    newsSources: features.flatMap(({ news }) => news ?? []),
    handle: (request, response) => {
      changeRelay?.start();
      if (front.value !== undefined) return front.value.handle(request, response);
      front.load().then(
        ({ handle }) => handle(request, response),
        (error: unknown) => {
          logger.error("http_not_loaded", { error });
          response.destroy();
        },
      );
    },
    checkSigning,
    listen,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Accepted work may end, new work is refused; at the deadline what still runs is cancelled. */
async function finishWork(images: ImageService, front: Front | undefined, timeoutMs: number): Promise<void> {
  const deadline = AbortSignal.timeout(timeoutMs);
  deadline.addEventListener("abort", () => logger.warn("shutdown_deadline_reached", { timeout_ms: timeoutMs }));
  const finished = new AbortController();
  const signal = AbortSignal.any([deadline, finished.signal]);
  front?.drain();
  const drained = images.drain(deadline);
  await Promise.race([drained, once(signal)]);
  await front?.finish({ signal: deadline, timeoutMs });
  await drained;
  finished.abort();
}

async function once(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
