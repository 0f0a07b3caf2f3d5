import type { IncomingMessage, ServerResponse } from "node:http";
import {
  createMcpHandler,
  InMemoryServerEventBus,
  isLegacyRequest,
  ProtocolError,
  type McpRequestContext,
  type McpServer,
} from "@modelcontextprotocol/server";
import { toCaller, hasScope, UNNAMED, type Caller } from "../access/principal.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { isJsonObject } from "../core/json.ts";
import { systemRandom, type Random } from "../core/random.ts";
import type { Scope } from "../core/scope.ts";
import { getLogger } from "../logging/logger.ts";
import { PassThroughTracing, type TellOutcome, type Tracing } from "../telemetry/tracing.ts";
import { readCallOutcomes } from "./call-outcome.ts";
import { toJsonRpcProblem, toProblemOfCode, toProblemOfProtocol } from "./json-rpc-problem.ts";
import { McpSessions } from "./mcp-sessions.ts";
import { listenWithNews } from "./listen-stream.ts";
import type { McpConnection, McpContext, McpServerBuilder } from "./mcp-tool.ts";
import { findNews, type NewsSource } from "./news.ts";
import { toServedCall } from "./served-call.ts";
import { readJsonBody } from "./read-json-body.ts";
import { sendWebResponse, toWebRequest } from "./web-exchange.ts";

export interface McpHttpHandlerOptions {
  readonly build: McpServerBuilder;
  readonly maxSessions: number;
  readonly sessionIdleSeconds: number;
  /** Go on with sessions that other replicas began. Default: they are not found. */
  readonly adoptsSessions?: boolean;
  /** Tools that answer over an event stream from the start, so that a client hears from us while it waits. */
  readonly slowTools?: readonly string[];
  /** Default: 1 MiB. */
  readonly maxBodyBytes?: number;
  /** What a caller needs for a tool, by its name. */
  readonly toolScopes?: Readonly<Record<string, Scope>>;
  /** What clients of the newer era can subscribe to beside what the SDK knows. */
  readonly newsSources?: readonly NewsSource[];
  /** Makes calls visible. Default: nothing is recorded. */
  readonly tracing?: Tracing;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** MCP over HTTP at one address, for both protocol eras. The guard for Host and Origin stands before it. */
export interface McpHttpHandler extends AsyncDisposable {
  /** Answers one request; never rejects. Without a caller it is somebody unnamed at the address of the socket. */
  readonly handle: (req: IncomingMessage, res: ServerResponse, exchange?: McpExchange) => Promise<void>;
  /** Open sessions of the older protocol revisions. */
  readonly sessions: number;
  /** Tells whoever subscribed that a list has changed. */
  readonly notify: ReturnType<typeof createMcpHandler>["notify"];
  /**
   * Refuses new calls, waits for those in flight, then ends every stream and session. Safe to call twice.
   * When the signal aborts, the calls in flight are cancelled instead.
   */
  close(options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** What is known of a request beside itself. */
export interface McpExchange {
  readonly caller: Caller;
  /** What an answer says that refuses the caller for want of this scope: `WWW-Authenticate`. */
  readonly challenge: (scope: Scope) => string | undefined;
  /** Whether the caller may delete and keep pictures. */
  readonly mayManage: boolean;
}

/** Who sent a request, and which tool it calls: what the SDK's own requests have no room for. */
interface Sender {
  readonly caller: Caller;
  readonly mayManage: boolean;
  readonly tool: string | undefined;
}

const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;
/** Shorter than the idle timeout of any proxy worth the name. */
const KEEP_ALIVE_MS = 5_000;
/** For a request whose sender is not known, which should not be: may do nothing. */
const NOBODY: Sender = {
  caller: { principal: { id: undefined, scopes: new Set() }, limitId: "unknown" },
  mayManage: false,
  tool: undefined,
};
const METHODS = ["GET", "POST", "DELETE"];

const logger = getLogger("mcp");

export function createMcpHttpHandler(options: McpHttpHandlerOptions): McpHttpHandler {
  const { clock = systemClock, random = systemRandom, maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = options;
  const tracing = options.tracing ?? new PassThroughTracing();
  const toolScopes = new Map(Object.entries(options.toolScopes ?? {}));
  const slowTools = new Set(options.slowTools);
  const senders = new WeakMap<Request, Sender>();
  const calls = new Set<Promise<void>>();
  const hurry = Promise.withResolvers<void>();
  let closing: Promise<void> | undefined;

  const build = (connection: McpConnection): McpServer => {
    try {
      return options.build(connection);
    } catch (error) {
      logger.error("mcp_server_not_built", { error });
      throw error;
    }
  };
  const senderOf = ({ http }: McpContext): Sender | undefined => http?.req && senders.get(http.req);
  const buildModern = ({ era, requestInfo }: McpRequestContext): McpServer => {
    const { caller, mayManage, tool } = (requestInfo && senders.get(requestInfo)) ?? NOBODY;
    return build({
      era,
      isLasting: false,
      tool,
      clientId: caller.limitId,
      caller: (context) => senderOf(context)?.caller ?? caller,
      mayManage: () => mayManage,
    });
  };

  const onerror = (error: Error): void => logger.debug("mcp_request_refused", { error });
  const bus = new InMemoryServerEventBus(onerror);
  const shared = { legacy: "reject", bus, onerror, keepAliveMs: KEEP_ALIVE_MS } as const;
  const quick = createMcpHandler(buildModern, shared);
  const streamed = createMcpHandler(buildModern, { ...shared, responseMode: "sse" });
  const sessions = new McpSessions({
    build,
    maxSessions: options.maxSessions,
    idleSeconds: options.sessionIdleSeconds,
    adopts: options.adoptsSessions,
    keepAliveMs: KEEP_ALIVE_MS,
    callerOf: (context) => senderOf(context)?.caller,
    mayManage: (context) => senderOf(context)?.mayManage === true,
    clock,
    random,
  });

  const serveModern = async (request: Request, parsedBody: unknown, { caller, tool }: Sender): Promise<Response> => {
    const handler = slowTools.has(tool ?? "") ? streamed : quick;
    const serve = async (body: unknown): Promise<Response> => handler.fetch(request, { parsedBody: body });
    if (!isJsonObject(parsedBody)) return serve(parsedBody);
    try {
      const news = findNews(options.newsSources ?? [], parsedBody, caller);
      if (news === undefined) return await serve(parsedBody);
      return await listenWithNews({ news, message: parsedBody, gone: request.signal, serve });
    } catch (error) {
      if (error instanceof ProtocolError) return toProblemOfProtocol(error, parsedBody);
      throw error;
    }
  };

  const route = async ({ caller, challenge, mayManage }: McpExchange, request: Request, parsedBody: unknown) => {
    if (closing !== undefined && isCall(parsedBody)) {
      return { response: toProblemOfCode("shutting_down", { body: parsedBody, headers: { "retry-after": "5" } }) };
    }
    const tool = toolOf(parsedBody);
    const scope = toolScopes.get(tool ?? "");
    if (scope !== undefined && !hasScope(caller.principal, scope)) {
      const value = challenge(scope);
      const headers = value === undefined ? {} : { "www-authenticate": value };
      const data = { required_scope: scope };
      return { response: toProblemOfCode("insufficient_scope", { body: parsedBody, headers, data }) };
    }
    const sender = { caller, mayManage, tool };
    senders.set(request, sender);
    if (await isLegacyRequest(request, parsedBody)) return sessions.handle(request, parsedBody, caller);
    return { response: await serveModern(request, parsedBody, sender) };
  };

  const answer = async (
    req: IncomingMessage,
    res: ServerResponse,
    known: McpExchange,
    gone: AbortSignal,
  ): Promise<void> => {
    if (!METHODS.includes(req.method ?? "")) {
      const headers = { allow: METHODS.join(", ") };
      return sendWebResponse(toProblemOfCode("method_not_allowed", { headers }), res, gone);
    }
    let parsedBody: unknown;
    if (req.method === "POST") {
      const read = await readJsonBody(req, maxBodyBytes);
      if (read.kind === "refused") return sendWebResponse(read.response, res, gone);
      parsedBody = read.body;
    }
    const exchange = async (tell?: TellOutcome): Promise<void> => {
      const { response, done } = { done: undefined, ...(await route(known, toWebRequest(req, gone), parsedBody)) };
      try {
        await sendWebResponse(response, res, gone, tell && observeAnswer(response, tell));
      } finally {
        done?.();
      }
    };
    if (!isCall(parsedBody)) return exchange();
    const { httpVersion, headers } = req;
    const served = toServedCall({
      body: parsedBody,
      carrier: { kind: "http", httpVersion, headers },
      tools: toolScopes,
    });
    const call = tracing.serve(served, exchange);
    calls.add(call);
    return call.finally(() => calls.delete(call));
  };

  const shutDown = async (): Promise<void> => {
    await Promise.race([Promise.allSettled(calls), hurry.promise]);
    await Promise.all([sessions.close(), quick.close(), streamed.close()]);
  };

  const close = async ({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> => {
    if (signal?.aborted) hurry.resolve();
    signal?.addEventListener("abort", () => hurry.resolve(), { once: true });
    closing ??= shutDown();
    return closing;
  };

  return {
    handle: async (req, res, known = toUnnamedExchange(req)) => {
      const gone = new AbortController();
      res.once("close", () => {
        if (!res.writableFinished) gone.abort();
      });
      try {
        await answer(req, res, known, gone.signal);
      } catch (error) {
        if (gone.signal.aborted) return;
        logger.error("mcp_request_failed", { error });
        if (res.headersSent) res.destroy();
        else await sendWebResponse(toJsonRpcProblem(500, -32603, "Internal error"), res, gone.signal);
      }
    },
    get sessions() {
      return sessions.size;
    },
    notify: quick.notify,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** True for what waits for an answer and will get one: a request or a batch with one, but not a subscription. */
function isCall(body: unknown): boolean {
  if (Array.isArray(body)) return body.some(isCall);
  if (!isJsonObject(body)) return false;
  return typeof body["method"] === "string" && body["id"] !== undefined && body["method"] !== "subscriptions/listen";
}

/** Tells what an answer says of its call, while it is sent. */
function observeAnswer({ headers }: Response, tell: TellOutcome): (bytes: Uint8Array) => void {
  const sessionId = headers.get("mcp-session-id");
  if (sessionId !== null) tell({ details: { "mcp.session.id": sessionId } });
  return (bytes) => {
    for (const outcome of readCallOutcomes(bytes)) tell(outcome);
  };
}

/** The name of the tool that one message calls; of a batch none, whose calls the tools themselves look at. */
function toolOf(body: unknown): string | undefined {
  if (!isJsonObject(body) || body["method"] !== "tools/call" || !isJsonObject(body["params"])) return undefined;
  const { name } = body["params"];
  return typeof name === "string" ? name : undefined;
}

function toUnnamedExchange(req: IncomingMessage): McpExchange {
  const caller = toCaller(UNNAMED, req.socket.remoteAddress ?? "unknown");
  return { caller, challenge: () => undefined, mayManage: false };
}
