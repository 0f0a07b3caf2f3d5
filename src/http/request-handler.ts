import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { lackOf, type AccessPolicy } from "../access/access-policy.ts";
import { BASIC_CHALLENGE, toChallenge } from "../access/challenge.ts";
import type { AuditLog } from "../access/audit-log.ts";
import type { ClientAddress } from "../access/client-address.ts";
import { toCaller, UNNAMED, type Caller, type Principal } from "../access/principal.ts";
import { MCPImageError, toMcpImageError, type ErrorCode } from "../core/errors.ts";
import { parseImageId } from "../core/image-id.ts";
import type { Random } from "../core/random.ts";
import type { Scope } from "../core/scope.ts";
import { getLogger, withLogFields } from "../logging/logger.ts";
import { toErrorAnswer, type Answer } from "./answer.ts";
import { toFailureAnswer } from "./doors/door-errors.ts";
import { Exchange } from "./exchange.ts";
import type { PictureAccess } from "./picture-access.ts";
import { decode, parsePicturePath, type PictureName, type PictureRoute } from "./picture-route.ts";
import { RefusalLog } from "./refusal-log.ts";
import type { RequestGuard } from "./request-guard.ts";
import { stripBasePath, toRequestTarget } from "./request-target.ts";
import { toPreflightHeaders } from "./response-headers.ts";
import type { AnsweredRoute, RouteHandler } from "./route-handlers.ts";
import { ROUTES, type Door, type Route, type RouteName } from "./route-table.ts";
import type { MatchedPath, Router } from "./router.ts";
import type { ServerState } from "./server-state.ts";
import { parseFormatQuery, parseThumbnailQuery } from "./thumbnail-query.ts";
import type { ThumbnailRoute } from "./thumbnail-route.ts";

/** What the MCP side is told of a request. */
export interface McpExchange {
  readonly caller: Caller;
  /** `WWW-Authenticate` for a caller who lacks this scope. */
  readonly challenge: (scope: Scope) => string | undefined;
  /** Whether the caller may delete and keep pictures. */
  readonly mayManage: boolean;
}

/** Answers MCP over HTTP; writes the response itself. */
export type McpHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  exchange: McpExchange,
) => void | Promise<void>;

export interface RequestHandlerOptions {
  readonly guard: RequestGuard;
  readonly policy: AccessPolicy;
  readonly audit: AuditLog;
  readonly logsAccess: boolean;
  readonly clientAddress: ClientAddress;
  /** Where a client learns how to get a token; `undefined` where tokens are not got but given. */
  readonly resourceMetadataUrl: () => string | undefined;
  readonly router: Router;
  readonly access: PictureAccess;
  readonly pictures: PictureRoute;
  readonly thumbnails: ThumbnailRoute;
  readonly handlers: Readonly<Record<AnsweredRoute, RouteHandler>>;
  readonly mcp: McpHandler;
  readonly doors: readonly Door[];
  readonly state: ServerState;
  readonly basePath: string;
  readonly maxBodyBytes: number;
  readonly random: Random;
}

type OwnWriter = Exclude<RouteName, AnsweredRoute>;

const logger = getLogger("http");
const ID_START_BYTES = 9;
/** Before anybody has said who they are. */
const STRANGER: Principal = { id: undefined, scopes: new Set() };

/** The one entry of every request: guard, then the picture path, then the routes. */
export function createRequestHandler(options: RequestHandlerOptions): RequestListener {
  const handler = new RequestHandler(options);
  return (request, response) => handler.handle(request, response);
}

class RequestHandler {
  readonly #options: RequestHandlerOptions;
  readonly #idStart: string;
  readonly #refusals = new RefusalLog();
  #count = 0;

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
    this.#idStart = `${Buffer.from(options.random.bytes(ID_START_BYTES)).toString("base64url")}-`;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const exchange = this.#toExchange(request, response);
    const { authority, path, query } = toRequestTarget(request.url ?? "");
    const refusal = this.#check(exchange, authority);
    if (refusal !== undefined) {
      exchange.send(toErrorAnswer(new MCPImageError(refusal, "The request is refused")));
      this.#end(exchange, path);
      return;
    }
    const localPath = stripBasePath(path, this.#options.basePath);
    const picture = isRead(exchange) ? toPictureName(path, localPath) : undefined;
    if (picture !== undefined && this.#serveAtOnce(exchange, picture, query)) {
      this.#end(exchange, path, picture);
      return;
    }
    void withLogFields({ request_id: exchange.requestId }, async () => {
      try {
        await this.#answer(exchange, { path, localPath, query, picture });
      } catch (error) {
        logger.error("answer_failed", { error });
        response.destroy();
      }
      this.#end(exchange, path, picture);
    });
  }

  /** Whoever must say who they are waits for the policy first. */
  #serveAtOnce(exchange: Exchange, picture: PictureName, query: string): boolean {
    const { access, pictures } = this.#options;
    if (exchange.hasBody || query.includes("format=")) return false;
    return access.check(exchange, picture.imageId, query) === "granted" && pictures.serveAtOnce(exchange, picture);
  }

  #toExchange(request: IncomingMessage, response: ServerResponse): Exchange {
    const { state, policy, clientAddress } = this.#options;
    const address = clientAddress.find(request.socket.remoteAddress, request.headers["x-forwarded-for"]);
    return new Exchange(request, response, {
      requestId: this.#idStart + (this.#count++).toString(36),
      state,
      caller: toCaller(policy.isOpen ? UNNAMED : STRANGER, address),
    });
  }

  /** Finds out who asks, and refuses who may not. */
  async #authorize(exchange: Exchange, access: Route["access"]): Promise<void> {
    const { policy } = this.#options;
    if (policy.isOpen || access === "public") return;
    const principal = await policy.authenticate(exchange.headers.authorization);
    exchange.caller = toCaller(principal, exchange.caller.limitId);
    if (access !== "signed_in") policy.require(principal, access);
  }

  /** What is told of a request that was answered; never its query and headers. */
  #end({ method, response, requestId, caller }: Exchange, path: string, picture?: PictureName): void {
    const { audit, logsAccess } = this.#options;
    const { statusCode: status } = response;
    const level = logsAccess ? "info" : "debug";
    logger[level]("request_answered", { request_id: requestId, method, path, status, client: caller.limitId });
    const isView = picture !== undefined && (status === 200 || status === 206 || status === 304);
    if (isView) audit.record({ action: "view", caller, imageId: picture.imageId });
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
    else if (refusal === "forbidden_host") this.#refusals.tell(refusal, host);
    else if (refusal === "forbidden_origin") this.#refusals.tell(refusal, origin);
    return refusal;
  }

  async #answer(exchange: Exchange, target: Target): Promise<void> {
    try {
      const answer = await this.#route(exchange, target);
      if (answer !== undefined) exchange.send(answer);
    } catch (error) {
      this.#fail(exchange, error, target.localPath ?? target.path);
    }
  }

  async #route(exchange: Exchange, { path, localPath, query, picture }: Target): Promise<Answer | undefined> {
    const { router, pictures, thumbnails, handlers, maxBodyBytes, policy, access } = this.#options;
    const matched = (localPath === undefined ? undefined : router.match(localPath)) ?? router.match(path);
    if (matched === undefined) throw new MCPImageError("not_found", "No route has this path");
    if (exchange.method === "OPTIONS") return toOptionsAnswer(exchange, matched);
    const name = matched.routes.get(exchange.method);
    if (name === undefined) {
      return toErrorAnswer(new MCPImageError("method_not_allowed", "No route has this method"), toAllow(matched));
    }
    const isPicture = name === "getImage" || name === "getThumbnail";
    const imageId = isPicture ? (picture?.imageId ?? parseImageId(decode(matched.imageId))?.id) : undefined;
    const verdict = imageId === undefined ? "ask" : access.check(exchange, imageId, query);
    if (verdict === "ask") await this.#authorize(exchange, accessOf(name, exchange));
    else if (verdict !== "granted") throw verdict;
    if (isMcp(name)) {
      exchange.handOver();
      const challenge = (scope: Scope): string | undefined => this.#toChallenge(lackOf(scope));
      const mayManage = !policy.isOpen || exchange.isFromThisMachine;
      await this.#options.mcp(exchange.request, exchange.response, { caller: exchange.caller, challenge, mayManage });
      return undefined;
    }
    if (Number(exchange.headers["content-length"] ?? 0) > maxBodyBytes) {
      throw new MCPImageError("payload_too_large", "The body is too large");
    }
    if (name === "getThumbnail") {
      if (imageId === undefined) throw unknownId();
      return thumbnails.serve(exchange, { imageId, extension: undefined }, parseThumbnailQuery(query));
    }
    if (name !== "getImage") return handlers[name]({ exchange, imageId: matched.imageId, query });
    if (picture === undefined) throw unknownId();
    const conversion = parseFormatQuery(query);
    if (conversion !== undefined) return thumbnails.serve(exchange, picture, conversion);
    if (!policy.isOpen && !exchange.hasBody && pictures.serveAtOnce(exchange, picture)) return undefined;
    return pictures.serve(exchange, picture);
  }

  #fail(exchange: Exchange, error: unknown, path: string): void {
    const failure = toMcpImageError(error);
    if (failure.httpStatus >= 500) logger[failure.retryable ? "warn" : "error"]("request_failed", { error: failure });
    const { response } = exchange;
    if (response.headersSent) response.destroy();
    else {
      const { doors } = this.#options;
      exchange.send(toFailureAnswer(failure, this.#toChallengeHeaders(exchange, failure), { path, doors }));
    }
  }

  #toChallengeHeaders({ headers }: Exchange, error: MCPImageError): string[] {
    const challenge = this.#toChallenge(error);
    if (challenge === undefined) return [];
    // A browser then asks its user, whose password is the token.
    const isPage = error.code === "unauthorized" && headers.accept?.includes("text/html") === true;
    return ["WWW-Authenticate", challenge, ...(isPage ? ["WWW-Authenticate", BASIC_CHALLENGE] : [])];
  }

  #toChallenge(error: MCPImageError): string | undefined {
    return toChallenge(error, this.#options.resourceMetadataUrl());
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

/** The start page shows pictures to browsers, and links alone to others. */
function accessOf(name: RouteName, { headers }: Exchange): Route["access"] {
  if (name === "getIndex" && headers.accept?.includes("text/html") === true) return "images:read";
  return ROUTES[name].access;
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
