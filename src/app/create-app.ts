import type { RequestListener } from "node:http";
import { AuditLog } from "../access/audit-log.ts";
import { CleanupTask } from "../cleanup/cleanup-task.ts";
import type { Settings } from "../config/settings.ts";
import { systemClock } from "../core/clock.ts";
import { ConfigurationError, isErrno } from "../core/errors.ts";
import { UrlSigner } from "../core/url-signer.ts";
import type { ListenAddress } from "../http/base-url.ts";
import { createHttpServer, type HttpServer } from "../http/http-server.ts";
import { DOORS } from "../http/route-table.ts";
import { createMetricsServer } from "../http/metrics-server.ts";
import { ImageService } from "../images/image-service.ts";
import { RedisChangeRelay } from "../images/redis-change-relay.ts";
import { PictureConverter } from "../images/picture-converter.ts";
import { PreviewMaker } from "../images/preview.ts";
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
import { createMcpHttpHandler, type McpHttpHandler } from "../mcp/mcp-http-handler.ts";
import type { McpFeature, McpServerBuilder } from "../mcp/mcp-tool.ts";
import { tellResourceNews } from "../mcp/resource-news.ts";
import { FairQueue } from "../queue/fair-queue.ts";
import type { AbstractStorage } from "../storage/abstract-storage.ts";
import type { JobRecords } from "../storage/job-records.ts";
import { MemoryJobRecords } from "../storage/memory-job-records.ts";
import { createPrometheusMetrics } from "../telemetry/metrics.ts";
import { PassThroughTracing, type Tracing } from "../telemetry/tracing.ts";
import { createAccessPolicy } from "./create-access-policy.ts";
import { createCallLimits } from "./create-call-limits.ts";
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
  /**
   * Answers a request of a server of the caller's, which needs `PUBLIC_BASE_URL`, with its path, and the body unread.
   * Such a server calls `cleanup.start()` itself, as `listen()` is not called.
   */
  readonly handle: RequestListener;
  /**
   * Starts to serve and to clean, and gives the base URL; again it gives the same.
   *
   * @throws {ConfigurationError} `configuration_invalid` when the address cannot be listened on
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
  const { metricsPort, logsAccess, drainDelaySeconds } = settings.operation;
  const storage = overrides.storage ?? createStorage(settings.storage, () => http.baseUrl());
  const jobRecords =
    overrides.jobRecords ?? (overrides.storage ? new MemoryJobRecords() : createJobRecords(settings.storage));
  const queue = new FairQueue({
    concurrency: settings.kserve.maxConcurrency,
    depth: settings.kserve.queueDepth,
    timeoutMs: settings.kserve.queueTimeoutSeconds * 1000,
  });
  const metrics = createPrometheusMetrics({
    version,
    queue: () => queue,
    sessions: () => mcp.sessions,
    storage: () => storage.usage,
  });
  const generator = overrides.generator ?? createGenerator(settings, metrics);
  const { ttlSeconds } = settings.images;
  const { auth, trustedProxies } = settings.access;
  const policy = createAccessPolicy(settings.access);
  const limits = createCallLimits(settings);
  const { redisUrl } = settings.limits;
  const changeRelay = redisUrl && new RedisChangeRelay({ url: redisUrl });
  const { signingKeys, expirySeconds: urlExpirySeconds } = settings.urls;
  const urlSigner = signingKeys.length === 0 ? undefined : new UrlSigner(signingKeys);
  const audit = new AuditLog(settings.operation.auditLog);
  const images = new ImageService({
    storage,
    generator: generator.images,
    queue,
    jobRecords,
    changeRelay,
    ttlSeconds,
    jobTimeoutSeconds: settings.kserve.timeoutSeconds,
    embedsPrompt: settings.images.embedsPrompt,
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
  const mcp = createMcpHttpHandler({
    build: buildMcpServer,
    maxSessions: settings.mcp.maxSessions,
    tracing,
    sessionIdleSeconds: settings.mcp.sessionIdleSeconds,
    adoptsSessions: settings.mcp.adoptsSessions,
    slowTools: features.flatMap(({ slowTools = [] }) => slowTools),
    toolScopes: Object.assign({}, ...features.map(({ toolScopes = {} }) => toolScopes)),
  });
  const { notify } = mcp;
  const stopNews = tellResourceNews(
    images.changes,
    { listChanged: () => notify.resourcesChanged(), updated: (uri) => notify.resourceUpdated(uri) },
    systemClock,
  );
  const http = createHttpServer({
    images,
    converter,
    mcp: async (request, response, exchange) => mcp.handle(request, response, exchange),
    policy,
    urlSigner,
    issuer: auth.mode === "oauth" ? auth.issuer : undefined,
    trustedProxies,
    metrics,
    ...(metricsPort === undefined && { metricsPrinter: metrics }),
    audit,
    logsAccess,
    service: { name: settings.service.name, version },
    modelName: () => generator.modelName(),
    doors: DOORS.filter((door) => (door === "openai" ? settings.http.openaiApi : settings.http.a1111Api)),
    health: {
      kserve: async (signal) => ((await generator.images.healthCheck({ signal })) ? "healthy" : "unhealthy"),
      storage: async (signal) => {
        await storage.checkHealth({ signal });
        return "healthy";
      },
    },
    publicBaseUrl: settings.http.publicBaseUrl,
    allowedHosts: settings.http.allowedHosts,
    allowedOrigins: settings.http.allowedOrigins,
  });

  const metricsServer = createMetricsServer(metrics);

  let listening: Promise<string> | undefined;
  const start = async (): Promise<string> => {
    await listenOn(http, settings.http, options.listenOnDemand ?? false);
    if (metricsPort !== undefined) {
      const { port } = await listenOn(metricsServer, { host: settings.http.host, port: metricsPort }, false);
      logger.info("metrics_served", { port });
    }
    cleanup.start();
    changeRelay?.start();
    return http.baseUrl();
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
    if (listening !== undefined && drainDelaySeconds > 0) {
      http.retire();
      logger.info("server_retiring", { seconds: drainDelaySeconds });
      await systemClock.sleep(drainDelaySeconds * 1000);
    }
    await finishWork({ images, mcp, http }, settings.http.shutdownTimeoutSeconds * 1000);
    stopNews();
    await cleanup.stop();
    await metricsServer.close();
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
    handle: (request, response) => {
      changeRelay?.start();
      http.handle(request, response);
    },
    listen,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Accepted work may end, new work is refused; at the deadline what still runs is cancelled. */
async function finishWork(
  { images, mcp, http }: { images: ImageService; mcp: McpHttpHandler; http: HttpServer },
  timeoutMs: number,
): Promise<void> {
  const deadline = AbortSignal.timeout(timeoutMs);
  deadline.addEventListener("abort", () => logger.warn("shutdown_deadline_reached", { timeout_ms: timeoutMs }));
  const finished = new AbortController();
  const signal = AbortSignal.any([deadline, finished.signal]);
  http.drain();
  const drained = images.drain(deadline);
  await Promise.race([drained, once(signal)]);
  await mcp.close({ signal: deadline });
  await http.close({ timeoutMs: deadline.aborted ? 0 : timeoutMs });
  await drained;
  finished.abort();
}

async function once(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

async function listenOn(
  server: Pick<HttpServer, "listen">,
  { host, port }: ListenAddress,
  anyPort: boolean,
): Promise<ListenAddress> {
  try {
    return await server.listen({ host, port });
  } catch (error) {
    if (anyPort && isErrno(error, "EADDRINUSE")) return server.listen({ host, port: 0 });
    throw new ConfigurationError("configuration_invalid", `Cannot listen on ${host}, port ${port}: ${reason(error)}`, {
      cause: error,
    });
  }
}

function reason(error: unknown): string {
  if (isErrno(error, "EADDRINUSE")) return "the port is taken; choose another with PORT or --port";
  if (isErrno(error, "EACCES")) return "the port needs more rights; choose one above 1023 with PORT or --port";
  if (isErrno(error, "EADDRNOTAVAIL", "ENOTFOUND")) return "this machine does not have the address HOST";
  return "the system refused";
}
