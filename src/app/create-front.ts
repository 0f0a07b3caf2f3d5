import type { RequestListener } from "node:http";
import type { AccessPolicy } from "../access/access-policy.ts";
import type { AuditLog } from "../access/audit-log.ts";
import type { Settings } from "../config/settings.ts";
import { systemClock } from "../core/clock.ts";
import { ConfigurationError, isErrno } from "../core/errors.ts";
import type { UrlSigner } from "../core/url-signer.ts";
import type { ListenAddress } from "../http/base-url.ts";
import { createHttpServer, type HttpServer } from "../http/http-server.ts";
import { createMetricsServer } from "../http/metrics-server.ts";
import { DOORS } from "../http/route-table.ts";
import type { ImageService } from "../images/image-service.ts";
import type { PictureConverter } from "../images/picture-converter.ts";
import { getLogger } from "../logging/logger.ts";
import { createMcpHttpHandler } from "../mcp/mcp-http-handler.ts";
import type { McpFeature, McpServerBuilder } from "../mcp/mcp-tool.ts";
import { tellResourceNews } from "../mcp/resource-news.ts";
import type { FairQueue } from "../queue/fair-queue.ts";
import type { AbstractStorage } from "../storage/abstract-storage.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createPrometheusMetrics } from "../telemetry/prometheus-metrics.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import type { Generator } from "./create-generator.ts";

export interface FrontOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly images: ImageService;
  readonly storage: AbstractStorage;
  readonly generator: Generator;
  readonly converter: PictureConverter;
  readonly features: readonly McpFeature[];
  readonly buildMcpServer: McpServerBuilder;
  readonly policy: AccessPolicy;
  readonly urlSigner: UrlSigner | undefined;
  readonly audit: AuditLog;
  readonly tracing: Tracing;
  readonly queue: FairQueue;
  /** When no more picture can be signed; `undefined`: none is to be. */
  readonly signingEnd: Date | undefined;
}

/** Everything of the server that speaks HTTP, and what others may ask of it. */
export interface Front {
  readonly handle: RequestListener;
  /** What is counted of the whole server. */
  readonly metrics: Metrics;
  /** The base of our URLs; known before listening only when there is a public one. */
  baseUrl(): string;
  /**
   * Listens on the address of the settings, and gives the base URL.
   *
   * @param anyPort take a free port when the wanted one is taken
   * @throws {ConfigurationError} `configuration_invalid`
   */
  listen(anyPort: boolean): Promise<string>;
  /** From now on `/readyz` says no, and everything else goes on. */
  retire(): void;
  /** From now on every answer ends its connection. Work goes on. */
  drain(): void;
  /** Waits for calls and answers within that time, cancels them when the signal aborts, and closes. */
  finish(options: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<void>;
  /** Ends what is left. */
  close(): Promise<void>;
}

const logger = getLogger("app");

/** Wires what speaks HTTP: MCP of both eras, pictures, the gallery, metrics. Does no I/O. */
export function createFront(options: FrontOptions): Front {
  const { settings, version, images, storage, features, generator, queue, tracing, audit } = options;
  const { metricsPort, logsAccess } = settings.operation;
  const { auth, trustedProxies } = settings.access;
  const metrics = createPrometheusMetrics({
    version,
    queue: () => queue,
    sessions: () => mcp.sessions,
    storage: () => storage.usage,
    signingEnd: options.signingEnd,
  });
  const mcp = createMcpHttpHandler({
    build: options.buildMcpServer,
    maxSessions: settings.mcp.maxSessions,
    tracing,
    sessionIdleSeconds: settings.mcp.sessionIdleSeconds,
    adoptsSessions: settings.mcp.adoptsSessions,
    newsSources: features.flatMap(({ news }) => news ?? []),
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
    converter: options.converter,
    mcp: async (request, response, exchange) => mcp.handle(request, response, exchange),
    policy: options.policy,
    urlSigner: options.urlSigner,
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

  return {
    handle: http.handle,
    metrics,
    baseUrl: () => http.baseUrl(),
    listen: async (anyPort) => {
      await listenOn(http, settings.http, anyPort);
      if (metricsPort !== undefined) {
        const { port } = await listenOn(
          metricsServer,
          { host: settings.http.host, port: metricsPort },
          false,
          "METRICS_PORT",
        );
        logger.info("metrics_served", { port });
      }
      return http.baseUrl();
    },
    retire: () => http.retire(),
    drain: () => http.drain(),
    finish: async ({ signal, timeoutMs }) => {
      await mcp.close({ signal });
      await http.close({ timeoutMs: signal.aborted ? 0 : timeoutMs });
    },
    close: async () => {
      stopNews();
      await metricsServer.close();
    },
  };
}

async function listenOn(
  server: Pick<HttpServer, "listen">,
  { host, port }: ListenAddress,
  anyPort: boolean,
  setting = "PORT or --port",
): Promise<ListenAddress> {
  try {
    return await server.listen({ host, port });
  } catch (error) {
    if (anyPort && isErrno(error, "EADDRINUSE")) return server.listen({ host, port: 0 });
    throw new ConfigurationError(
      "configuration_invalid",
      `Cannot listen on ${host}, port ${port}: ${reason(error, setting)}`,
      {
        cause: error,
      },
    );
  }
}

function reason(error: unknown, setting: string): string {
  if (isErrno(error, "EADDRINUSE")) return `the port is taken; choose another with ${setting}`;
  if (isErrno(error, "EACCES")) return `the port needs more rights; choose one above 1023 with ${setting}`;
  if (isErrno(error, "EADDRNOTAVAIL", "ENOTFOUND")) return "this machine does not have the address HOST";
  return "the system refused";
}
