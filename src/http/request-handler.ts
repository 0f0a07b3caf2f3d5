import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { MCPImageError, toMcpImageError, type ErrorCode } from "../core/errors.ts";
import { parseImageId } from "../core/image-id.ts";
import type { Random } from "../core/random.ts";
import { getLogger, withLogFields } from "../logging/logger.ts";
import { toErrorAnswer, type Answer } from "./answer.ts";
import { Exchange } from "./exchange.ts";
import { decode, parsePicturePath, type PictureName, type PictureRoute } from "./picture-route.ts";
import type { RequestGuard } from "./request-guard.ts";
import { stripBasePath, toRequestTarget } from "./request-target.ts";
import { toPreflightHeaders } from "./response-headers.ts";
import type { AnsweredRoute, RouteHandler } from "./route-handlers.ts";
import type { RouteName } from "./route-table.ts";
import type { MatchedPath, Router } from "./router.ts";
import type { ServerState } from "./server-state.ts";
import { parseFormatQuery, parseThumbnailQuery } from "./thumbnail-query.ts";
import type { ThumbnailRoute } from "./thumbnail-route.ts";

/** Answers MCP over HTTP; writes the response itself. */
export type McpHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface RequestHandlerOptions {
  readonly guard: RequestGuard;
  readonly router: Router;
  readonly pictures: PictureRoute;
  readonly thumbnails: ThumbnailRoute;
  readonly handlers: Readonly<Record<AnsweredRoute, RouteHandler>>;
  readonly mcp: McpHandler;
  readonly state: ServerState;
  readonly basePath: string;
  readonly maxBodyBytes: number;
  readonly random: Random;
}

type OwnWriter = Exclude<RouteName, AnsweredRoute>;

const logger = getLogger("http");
const ID_START_BYTES = 9;

/** The one entry of every request: guard, then the picture path, then the routes. */
export function createRequestHandler(options: RequestHandlerOptions): RequestListener {
  const handler = new RequestHandler(options);
  return (request, response) => handler.handle(request, response);
}

class RequestHandler {
  readonly #options: RequestHandlerOptions;
  readonly #idStart: string;
  #count = 0;

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
    this.#idStart = `${Buffer.from(options.random.bytes(ID_START_BYTES)).toString("base64url")}-`;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const exchange = new Exchange(request, response, this.#idStart + (this.#count++).toString(36), this.#options.state);
    const { authority, path, query } = toRequestTarget(request.url ?? "");
    const refusal = this.#check(exchange, authority);
    if (refusal !== undefined) {
      exchange.send(toErrorAnswer(new MCPImageError(refusal, "The request is refused")));
      logEnd(exchange, path);
      return;
    }
    const localPath = stripBasePath(path, this.#options.basePath);
    const picture = isRead(exchange) ? toPictureName(path, localPath) : undefined;
    const isPlain = query === "" && !exchange.hasBody;
    if (picture !== undefined && isPlain && this.#options.pictures.serveFromMemory(exchange, picture)) {
      logEnd(exchange, path);
      return;
    }
    void withLogFields({ request_id: exchange.requestId }, async () => {
      try {
        await this.#answer(exchange, { path, localPath, query, picture });
      } catch (error) {
        logger.error("answer_failed", { error });
        response.destroy();
      }
      logEnd(exchange, path);
    });
  }

  #check(exchange: Exchange, authority: string | undefined): ErrorCode | undefined {
    const { request, headers } = exchange;
    const host = authority ?? headers.host;
    if (headers.host === undefined ? request.httpVersion !== "1.0" : hasSeveralHosts(request.rawHeaders)) {
      return "malformed_request";
    }
    const { origin } = headers;
    const refusal = this.#options.guard.check({ host, origin, localAddress: request.socket.localAddress });
    if (refusal === undefined) exchange.allowedOrigin = origin;
    return refusal;
  }

  async #answer(exchange: Exchange, target: Target): Promise<void> {
    try {
      const answer = await this.#route(exchange, target);
      if (answer !== undefined) exchange.send(answer);
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  async #route(exchange: Exchange, { path, localPath, query, picture }: Target): Promise<Answer | undefined> {
    const { router, pictures, thumbnails, handlers, maxBodyBytes } = this.#options;
    const matched = (localPath === undefined ? undefined : router.match(localPath)) ?? router.match(path);
    if (matched === undefined) throw new MCPImageError("not_found", "No route has this path");
    if (exchange.method === "OPTIONS") return toOptionsAnswer(exchange, matched);
    const name = matched.routes.get(exchange.method);
    if (name === undefined) {
      return toErrorAnswer(new MCPImageError("method_not_allowed", "No route has this method"), toAllow(matched));
    }
    if (isMcp(name)) {
      exchange.handOver();
      await this.#options.mcp(exchange.request, exchange.response);
      return undefined;
    }
    if (Number(exchange.headers["content-length"] ?? 0) > maxBodyBytes) {
      throw new MCPImageError("payload_too_large", "The body is too large");
    }
    if (name === "getThumbnail") {
      const parsed = parseImageId(decode(matched.imageId));
      if (parsed === undefined) throw unknownId();
      return thumbnails.serve(exchange, { imageId: parsed.id, extension: undefined }, parseThumbnailQuery(query));
    }
    if (name !== "getImage") return handlers[name]({ exchange, imageId: matched.imageId, query });
    if (picture === undefined) throw unknownId();
    const conversion = parseFormatQuery(query);
    return conversion === undefined
      ? pictures.serve(exchange, picture)
      : thumbnails.serve(exchange, picture, conversion);
  }

  #fail(exchange: Exchange, error: unknown): void {
    const failure = toMcpImageError(error);
    if (failure.httpStatus >= 500) logger[failure.retryable ? "warn" : "error"]("request_failed", { error: failure });
    const { response } = exchange;
    if (response.headersSent) response.destroy();
    else exchange.send(toErrorAnswer(failure));
  }
}

interface Target {
  readonly path: string;
  /** The path below the base path, or `undefined` when it is not below it. */
  readonly localPath: string | undefined;
  readonly query: string;
  readonly picture: PictureName | undefined;
}

function unknownId(): MCPImageError {
  return new MCPImageError("image_not_found", "The id is none of ours");
}

function isRead({ method }: Exchange): boolean {
  return method === "GET" || method === "HEAD";
}

function isMcp(name: RouteName): name is Exclude<OwnWriter, "getImage" | "getThumbnail"> {
  return name === "postMcp" || name === "getMcp" || name === "deleteMcp";
}

function toPictureName(path: string, localPath: string | undefined): PictureName | undefined {
  return (localPath === undefined ? undefined : parsePicturePath(localPath)) ?? parsePicturePath(path);
}

/** Names a request by several hosts would mean different things to a proxy and to us. */
function hasSeveralHosts(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === "host") count += 1;
  }
  return count > 1;
}

function toAllow({ methods }: MatchedPath): string[] {
  return ["Allow", methods.join(", ")];
}

function toOptionsAnswer({ headers, allowedOrigin }: Exchange, matched: MatchedPath): Answer {
  const isPreflight = allowedOrigin !== undefined && headers["access-control-request-method"] !== undefined;
  const preflight = isPreflight ? toPreflightHeaders(matched.methods) : [];
  return { status: 204, contentType: "", body: "", headers: [...toAllow(matched), ...preflight] };
}

function logEnd({ method, response, requestId }: Exchange, path: string): void {
  logger.debug("request_answered", { request_id: requestId, method, path, status: response.statusCode });
}
