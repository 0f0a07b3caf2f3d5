import type { AccessPolicy } from "../access/access-policy.ts";
import type { Clock } from "../core/clock.ts";
import { MCPImageError } from "../core/errors.ts";
import { parseImageId, type ImageId } from "../core/image-id.ts";
import { SCOPES } from "../core/scope.ts";
import type { ImageService } from "../images/image-service.ts";
import type { PictureConverter } from "../images/picture-converter.ts";
import { toJsonAnswer, toTextAnswer, type Answer } from "./answer.ts";
import { toDocsPage } from "./docs-page.ts";
import { createDoorHandlers } from "./doors/door-handlers.ts";
import type { Exchange } from "./exchange.ts";
import { GalleryRoutes } from "./gallery/gallery-routes.ts";
import { generateImage, varyImage } from "./generation-routes.ts";
import type { HealthMonitor } from "./health-monitor.ts";
import { JobRoutes } from "./job-routes.ts";
import { parseListQuery, toNextQuery } from "./list-query.ts";
import { toOpenApi } from "./openapi.ts";
import { toPendingAnswer } from "./pending-answer.ts";
import type { PictureCache } from "./picture-cache.ts";
import { decode } from "./picture-route.ts";
import type { Door, RouteName } from "./route-table.ts";
import type { ServerState } from "./server-state.ts";

export interface ServiceIdentity {
  readonly name: string;
  readonly version: string;
}

/** Prints what `/metrics` answers. */
export interface MetricsPrinter {
  readonly contentType: string;
  print(): Promise<string>;
}

/** What a route gets of a request. */
export interface RouteRequest {
  readonly exchange: Exchange;
  /** The segment that stands for the id, still encoded; empty when the path has none. */
  readonly imageId: string;
  readonly query: string;
}

/** Gives an answer to send, or `undefined` when it has written one itself. */
export type RouteHandler = (request: RouteRequest) => Answer | undefined | Promise<Answer>;

/** The routes that give back an answer; the others write it themselves. */
export type AnsweredRoute = Exclude<RouteName, "getImage" | "getThumbnail" | "postMcp" | "getMcp" | "deleteMcp">;

export interface RouteHandlersOptions {
  readonly images: Pick<ImageService, "for" | "cleanupExpired" | "ttlSeconds" | "directOrigin">;
  readonly policy: AccessPolicy;
  /** Who gives out access tokens; `undefined` where nobody does. */
  readonly issuer: string | undefined;
  readonly cache: Pick<PictureCache, "forget">;
  readonly converter: Pick<PictureConverter, "isAvailable">;
  readonly health: Pick<HealthMonitor, "getReport">;
  /** `undefined`: `/metrics` is not there. */
  readonly metricsPrinter: MetricsPrinter | undefined;
  readonly service: ServiceIdentity;
  /** What the one model is called. */
  readonly modelName: () => string;
  readonly doors: readonly Door[];
  readonly state: Pick<ServerState, "isRetiring" | "isDraining" | "onDrain">;
  readonly clock: Clock;
  readonly baseUrl: () => string;
  /** Where links of our pages begin: what a proxy may have cut off. */
  readonly basePath: string;
}

export function createRouteHandlers(options: RouteHandlersOptions): Record<AnsweredRoute, RouteHandler> {
  const {
    images,
    policy,
    issuer,
    cache,
    converter,
    health,
    metricsPrinter,
    service,
    modelName,
    doors,
    state,
    clock,
    baseUrl,
    basePath,
  } = options;
  /** Where nobody says who they are, such things are for whoever is at the machine. */
  const requireOperator = ({ isFromThisMachine }: Exchange): void => {
    if (!policy.isOpen || isFromThisMachine) return;
    throw new MCPImageError("forbidden", "The client is not on this machine", {
      publicMessage: "Only clients on the server's own machine may do this",
    });
  };
  const gallery = new GalleryRoutes({
    images,
    serviceName: service.name,
    baseUrl,
    basePath,
    hasThumbnails: async () => converter.isAvailable(),
    mayChange: (exchange) => !policy.isOpen || exchange.isFromThisMachine,
  });
  const keepImage = async ({ exchange, imageId }: RouteRequest, keep: boolean): Promise<Answer> => {
    requireOperator(exchange);
    const id = requireKnownForm(imageId);
    const metadata = await images.for(exchange.caller).keepImage(id, keep);
    // What is in memory expires when it did before.
    cache.forget(id);
    if (metadata === undefined) throw notFound();
    return toJsonAnswer(metadata);
  };
  const jobs = new JobRoutes({ images, state, clock, baseUrl });
  return {
    ...createDoorHandlers(images, modelName),
    generateImage: async ({ exchange }) => {
      requireOperator(exchange);
      return generateImage(exchange, images.for(exchange.caller));
    },
    varyImage: async ({ exchange, imageId }) => {
      requireOperator(exchange);
      return varyImage(exchange, images.for(exchange.caller), requireKnownForm(imageId));
    },
    listJobs: ({ exchange }) => jobs.list(exchange),
    watchJobs: ({ exchange }) => jobs.watch(exchange),
    listImages: async ({ exchange, query }) => {
      const listQuery = parseListQuery(query);
      const { images: page, nextCursor } = await images.for(exchange.caller).listImages(listQuery);
      const next = nextCursor === undefined ? undefined : toNextQuery(listQuery, nextCursor);
      return toJsonAnswer(page, 200, next === undefined ? [] : ["Link", `<${baseUrl()}/images/?${next}>; rel="next"`]);
    },
    getImageMetadata: async ({ exchange, imageId }) => {
      const id = requireKnownForm(imageId);
      const mine = images.for(exchange.caller);
      const metadata = await mine.getMetadata(id);
      if (metadata !== undefined) return toJsonAnswer(metadata);
      const pending = await mine.findPending(id);
      if (pending === undefined) throw notFound();
      return toPendingAnswer(pending);
    },
    deleteImage: async ({ exchange, imageId }) => {
      requireOperator(exchange);
      const id = requireKnownForm(imageId);
      const isDeleted = await images.for(exchange.caller).deleteImage(id);
      cache.forget(id);
      if (!isDeleted) throw notFound();
      return toJsonAnswer({ message: "Image deleted", image_id: id, deleted: true });
    },
    keepImage: async (request) => keepImage(request, true),
    releaseImage: async (request) => keepImage(request, false),
    cleanupImages: async ({ exchange }) => {
      requireOperator(exchange);
      const deletedCount = await images.cleanupExpired();
      return toJsonAnswer({
        message: `${deletedCount} expired images deleted`,
        deleted_count: deletedCount,
        ttl_seconds: images.ttlSeconds ?? null,
      });
    },
    getHealth: async () => {
      const report = await health.getReport();
      return toJsonAnswer({ service: "healthy", ...report, timestamp: new Date(clock.nowMs()).toISOString() });
    },
    getLiveness: () => toJsonAnswer({ status: "alive" }),
    getReadiness: async () => {
      const report = await health.getReport();
      const status = state.isRetiring ? "draining" : report.storage === "healthy" ? "ready" : "storage_unhealthy";
      return toJsonAnswer({ status, ...report }, status === "ready" ? 200 : 503);
    },
    getMetrics: async () => {
      if (metricsPrinter === undefined) throw new MCPImageError("not_found", "Nobody prints metrics");
      return toTextAnswer(await metricsPrinter.print(), metricsPrinter.contentType);
    },
    getResourceMetadata: () => {
      if (issuer === undefined) throw new MCPImageError("not_found", "Nobody gives out access tokens");
      return toJsonAnswer({
        resource: `${baseUrl()}/mcp`,
        authorization_servers: [issuer],
        scopes_supported: SCOPES,
        bearer_methods_supported: ["header"],
        resource_name: service.name,
      });
    },
    getOpenApi: () => toJsonAnswer(toOpenApi({ service, baseUrl: baseUrl(), doors })),
    getDocs: () => toDocsPage({ service, basePath, doors }),
    getPicturePage: async ({ exchange, imageId }) => gallery.picture(exchange, imageId),
    getAsset: ({ exchange, imageId: name }) => gallery.assets.answer(decode(name), exchange),
    getIndex: async ({ exchange, query }) => {
      if (exchange.headers.accept?.includes("text/html") === true) return gallery.list(exchange, query);
      const base = baseUrl();
      return toJsonAnswer({
        name: service.name,
        version: service.version,
        mcp: `${base}/mcp`,
        images: `${base}/images/`,
        docs: `${base}/docs`,
        openapi: `${base}/openapi.json`,
        health: `${base}/health`,
      });
    },
  };
}

function requireKnownForm(segment: string): ImageId {
  const parsed = parseImageId(decode(segment));
  if (parsed === undefined) throw notFound();
  return parsed.id;
}

function notFound(): MCPImageError {
  return new MCPImageError("image_not_found", "No such image");
}
