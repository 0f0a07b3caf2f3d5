import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { AccessPolicy } from "../access/access-policy.ts";
import { AuditLog } from "../access/audit-log.ts";
import { ClientAddress } from "../access/client-address.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import type { UrlSigner } from "../core/url-signer.ts";
import { systemRandom, type Random } from "../core/random.ts";
import type { ImageService } from "../images/image-service.ts";
import { PictureConverter } from "../images/picture-converter.ts";
import { getLogger } from "../logging/logger.ts";
import { noMetrics, type Metrics } from "../telemetry/metrics.ts";
import { toBasePath, toBaseUrl, toResourceMetadataUrl, type ListenAddress } from "./base-url.ts";
import { answerBrokenRequest } from "./broken-request.ts";
import { HealthMonitor, type HealthChecks } from "./health-monitor.ts";
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from "./http-limits.ts";
import { PictureCache } from "./picture-cache.ts";
import { PictureAccess } from "./picture-access.ts";
import { PictureRoute } from "./picture-route.ts";
import { createRequestHandler, type McpHandler } from "./request-handler.ts";
import { RequestGuard, type GuardSettings } from "./request-guard.ts";
import { createRouteHandlers, type MetricsPrinter, type ServiceIdentity } from "./route-handlers.ts";
import type { Door } from "./route-table.ts";
import { Router } from "./router.ts";
import { ServerState } from "./server-state.ts";
import { ThumbnailRoute } from "./thumbnail-route.ts";

export interface HttpServerOptions extends GuardSettings {
  readonly images: ImageService;
  readonly mcp: McpHandler;
  readonly health: HealthChecks;
  /** Who may do what; the same one as that of `images`. Default: everybody everything. */
  readonly policy?: AccessPolicy;
  /** With one, pictures are given to whoever has their signed address. */
  readonly urlSigner?: UrlSigner | undefined;
  /** Where it is told who viewed what. Default: nowhere. */
  readonly audit?: AuditLog;
  /** Whether every request is a line of the log at the level INFO. */
  readonly logsAccess?: boolean;
  /** Who gives out access tokens, for clients that have none. */
  readonly issuer?: string | undefined;
  /** Whose `X-Forwarded-For` is believed. Default: nobody's. */
  readonly trustedProxies?: readonly string[];
  readonly service: ServiceIdentity;
  /** What the one model is called. Default: the name of the service. */
  readonly modelName?: () => string;
  /** Interfaces of other servers that are there beside ours. Default: none. */
  readonly doors?: readonly Door[];
  /** Makes thumbnails; default one that loads the optional package sharp on first use. */
  readonly converter?: Pick<PictureConverter, "convert" | "isAvailable">;
  readonly metrics?: Metrics;
  /** Without it `/metrics` is not there. */
  readonly metricsPrinter?: MetricsPrinter;
  readonly limits?: Partial<HttpLimits>;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface CloseOptions {
  /** How long answers that are being made may take; what is open then is cut. Default 10 s. */
  readonly timeoutMs?: number;
}

/** The HTTP side of the server: MCP, pictures and everything about them on one port. */
export interface HttpServer extends AsyncDisposable {
  readonly server: Server;
  /** Answers one request of a server that is not ours; never throws. */
  readonly handle: RequestListener;
  /**
   * Listens and gives the address. Port 0 takes a free one.
   * Rejects with Node's error, such as EADDRINUSE; may then be called again.
   */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /** The base of our URLs; known before listening only when there is a public one. */
  baseUrl(): string;
  /** From now on `/readyz` says no, and everything else goes on: for load balancers to notice. */
  retire(): void;
  /** From now on `/readyz` says no, and every answer ends its connection. Work goes on. */
  drain(): void;
  /** Takes no more connections, waits for answers that are being made, and closes. Safe to call twice. */
  close(options?: CloseOptions): Promise<void>;
}

const logger = getLogger("http");
const DEFAULT_CLOSE_TIMEOUT_MS = 10_000;
const IDLE_CHECK_MS = 250;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const {
    images,
    mcp,
    service,
    publicBaseUrl,
    issuer,
    policy = new AccessPolicy(),
    clock = systemClock,
    random = systemRandom,
    metrics = noMetrics,
    doors = [],
    modelName = () => service.name,
    converter = new PictureConverter(),
  } = options;
  const limits: HttpLimits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const state = new ServerState();
  const basePath = toBasePath(publicBaseUrl);
  const baseUrl = (): string => toBaseUrl(lastAddress, publicBaseUrl);
  let lastAddress: ListenAddress | undefined;
  let closing: Promise<void> | undefined;

  const cache = new PictureCache({
    images,
    clock,
    maxBytes: limits.cacheBytes,
    maxPictureBytes: limits.cachePictureBytes,
    maxSendingBytes: limits.sendingBytes,
    revalidateMs: limits.cacheRevalidateMs,
  });
  const stopForgetting = images.changes.subscribe(({ kind, imageId }) => {
    if (kind === "deleted") cache.forget(imageId);
  });
  const health = new HealthMonitor({
    checks: options.health,
    clock,
    cacheMs: limits.healthCacheMs,
    timeoutMs: limits.healthTimeoutMs,
  });
  const access = new PictureAccess({ policy, signer: options.urlSigner, clock });
  const { stallTimeoutMs } = limits;
  const pictures = new PictureRoute({ cache, images, policy, access, metrics, stallTimeoutMs });
  const handle = createRequestHandler({
    guard: new RequestGuard(options),
    router: new Router(doors),
    policy,
    audit: options.audit ?? new AuditLog(),
    logsAccess: options.logsAccess ?? false,
    clientAddress: new ClientAddress(options.trustedProxies ?? []),
    resourceMetadataUrl: () => (issuer === undefined ? undefined : toResourceMetadataUrl(baseUrl())),
    access,
    pictures,
    thumbnails: new ThumbnailRoute({
      cache,
      pictures,
      access,
      converter,
      metrics,
      maxBytes: limits.thumbnailCacheBytes,
    }),
    handlers: createRouteHandlers({
      images,
      policy,
      issuer,
      cache,
      converter,
      health,
      metricsPrinter: options.metricsPrinter,
      service,
      modelName,
      doors,
      state,
      clock,
      baseUrl,
      basePath,
    }),
    mcp,
    doors,
    state,
    basePath,
    maxBodyBytes: limits.maxBodyBytes,
    random,
  });
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.connectionsCheckingIntervalMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      maxHeaderSize: limits.maxHeaderBytes,
      requireHostHeader: false,
    },
    handle,
  );
  server.maxConnections = limits.maxConnections;
  server.on("clientError", (error, socket) => {
    if (state.isHalfAnswered(socket)) socket.destroy();
    else answerBrokenRequest(error, socket);
  });

  const closeAll = async (timeoutMs: number): Promise<void> => {
    state.drain();
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    const ended = new AbortController();
    server.close(() => ended.abort());
    while (!ended.signal.aborted) {
      server.closeIdleConnections();
      if (clock.monotonicMs() >= deadlineMs) {
        logger.warn("connections_cut");
        server.closeAllConnections();
      }
      await clock.sleep(IDLE_CHECK_MS, ended.signal).catch(() => undefined);
    }
    stopForgetting();
  };
  const close = async ({ timeoutMs = DEFAULT_CLOSE_TIMEOUT_MS }: CloseOptions = {}): Promise<void> => {
    closing ??= closeAll(timeoutMs);
    return closing;
  };

  return {
    server,
    handle,
    listen: async ({ host, port }) => {
      server.listen({ host, port });
      await once(server, "listening");
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("The server has no port");
      lastAddress = { host: address.address, port: address.port };
      // Such as a connection that could not be accepted for want of file descriptors.
      if (server.listenerCount("error") === 0) server.on("error", (error) => logger.warn("server_failed", { error }));
      return lastAddress;
    },
    baseUrl,
    retire: () => state.retire(),
    drain: () => state.drain(),
    close,
    [Symbol.asyncDispose]: async () => close(),
  };
}
