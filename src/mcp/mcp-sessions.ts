import {
  isInitializeRequest,
  WebStandardStreamableHTTPServerTransport,
  type McpServer,
} from "@modelcontextprotocol/server";
import type { Caller } from "../access/principal.ts";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { getLogger } from "../logging/logger.ts";
import { JSON_RPC_CODES, toJsonRpcProblem, toProblemOfCode } from "./json-rpc-problem.ts";
import type { McpContext, McpServerBuilder } from "./mcp-tool.ts";

export interface McpSessionsOptions {
  readonly build: McpServerBuilder;
  readonly maxSessions: number;
  readonly idleSeconds: number;
  readonly keepAliveMs: number;
  /** Go on with sessions that other replicas began. Default: they are not found. */
  readonly adopts?: boolean | undefined;
  /** Who sent the request that a handler of the SDK works on. */
  readonly callerOf: (context: McpContext) => Caller | undefined;
  readonly mayManage: (context: McpContext) => boolean;
  readonly clock: Clock;
  readonly random: Random;
}

interface Session {
  readonly id: string;
  /** Nobody else may use it, even knowing its id. */
  readonly principalId: string | undefined;
  readonly server: McpServer;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  /** Requests and streams that are open now. */
  openExchanges: number;
  lastUsedMs: number;
}

/** An answer, and what to call when all of it was sent or the client has gone. */
export interface SessionAnswer {
  readonly response: Response;
  readonly done: () => void;
}

/** Without a place for a new session, the longest idle one gives way when it has been idle for this long. */
const MIN_IDLE_TO_EVICT_MS = 60_000;
const SESSION_ID_BYTES = 24;
const SESSION_ID = /^[\w-]{32}$/;
/** Of clients that do not say which they speak, as those before 2025-06-18 do not. */
const DEFAULT_PROTOCOL_VERSION = "2025-03-26";

const logger = getLogger("mcp");

/**
 * The sessions of the protocol revisions up to 2025-11-25. Each has its own server; they are limited in number, and
 * one that nobody uses ends after `idleSeconds`.
 */
export class McpSessions {
  readonly #options: McpSessionsOptions;
  readonly #idleMs: number;
  /** The longest unused first. */
  readonly #sessions = new Map<string, Session>();
  readonly #adopting = new Map<string, Promise<Session>>();

  constructor(options: McpSessionsOptions) {
    this.#options = options;
    this.#idleMs = options.idleSeconds * 1000;
  }

  get size(): number {
    this.#endIdle();
    return this.#sessions.size;
  }

  /** Serves one request of a session, or begins one. */
  async handle(request: Request, parsedBody: unknown, caller: Caller): Promise<SessionAnswer> {
    const sessionId = request.headers.get("mcp-session-id");
    if (sessionId !== null) {
      const session = this.#find(sessionId) ?? (await this.#adopt(sessionId, request, caller));
      if (session !== undefined && session.principalId === caller.principal.id)
        return this.#exchange(session, request, parsedBody);
      return answer(toJsonRpcProblem(404, JSON_RPC_CODES.sessionNotFound, "Session not found", { body: parsedBody }));
    }
    if (!isInitializeRequest(parsedBody)) {
      const message = "Bad Request: the Mcp-Session-Id header is required; initialize begins a session";
      return answer(toJsonRpcProblem(400, JSON_RPC_CODES.serverError, message, { body: parsedBody }));
    }
    if (!this.#makeRoom()) {
      logger.warn("mcp_session_refused", { sessions: this.#sessions.size });
      return answer(toProblemOfCode("too_many_sessions", { body: parsedBody, headers: { "retry-after": "10" } }));
    }
    return this.#begin(request, parsedBody, caller);
  }

  /** Ends every session; what they still do is cancelled. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map(async (session) => this.#end(session)));
  }

  async #begin(request: Request, parsedBody: unknown, caller: Caller): Promise<SessionAnswer> {
    const id = Buffer.from(this.#options.random.bytes(SESSION_ID_BYTES)).toString("base64url");
    const session = await this.#open(id, caller);
    const begun = await this.#exchange(session, request, parsedBody);
    if (session.transport.sessionId === undefined) await this.#end(session);
    return begun;
  }

  /** Goes on with a session that another replica began; whoever names its id first here is who it belongs to here. */
  async #adopt(id: string, request: Request, caller: Caller): Promise<Session | undefined> {
    if (this.#options.adopts !== true || !SESSION_ID.test(id)) return undefined;
    let adopting = this.#adopting.get(id);
    if (adopting === undefined) {
      if (!this.#makeRoom()) return undefined;
      adopting = this.#openInitialized(id, request, caller).finally(() => this.#adopting.delete(id));
      this.#adopting.set(id, adopting);
    }
    return adopting;
  }

  /** A session as if its client had begun it here. */
  async #openInitialized(id: string, request: Request, caller: Caller): Promise<Session> {
    const session = await this.#open(id, caller);
    const protocolVersion = request.headers.get("mcp-protocol-version") ?? DEFAULT_PROTOCOL_VERSION;
    const clientInfo = { name: "unknown", version: "0" };
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const send = async (body: unknown, more: Record<string, string> = {}): Promise<void> => {
      const message = new Request(request.url, { method: "POST", headers: { ...headers, ...more } });
      const response = await session.transport.handleRequest(message, { parsedBody: body });
      await response.text();
    };
    const params = { protocolVersion, capabilities: {}, clientInfo };
    await send({ jsonrpc: "2.0", id: 0, method: "initialize", params });
    const inSession = { "mcp-session-id": id, "mcp-protocol-version": protocolVersion };
    await send({ jsonrpc: "2.0", method: "notifications/initialized" }, inSession);
    logger.debug("mcp_session_adopted");
    return session;
  }

  async #open(id: string, caller: Caller): Promise<Session> {
    const { build, clock, keepAliveMs, callerOf, mayManage } = this.#options;
    const server = build({
      era: "legacy",
      isLasting: true,
      clientId: caller.principal.id ?? `session:${id}`,
      caller: (context) => callerOf(context) ?? caller,
      mayManage,
    });
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      onsessionclosed: () => void this.#sessions.delete(id),
      keepAliveMs,
    });
    const session: Session = {
      id,
      principalId: caller.principal.id,
      server,
      transport,
      openExchanges: 0,
      lastUsedMs: clock.monotonicMs(),
    };
    // Counted before the first await, so that many at once cannot pass the limit.
    this.#sessions.set(id, session);
    await server.connect(transport);
    return session;
  }

  async #exchange(session: Session, request: Request, parsedBody: unknown): Promise<SessionAnswer> {
    session.openExchanges++;
    this.#touch(session);
    const done = (): void => {
      session.openExchanges--;
      this.#touch(session);
    };
    try {
      const options = parsedBody === undefined ? {} : { parsedBody };
      return { response: await session.transport.handleRequest(request, options), done };
    } catch (error) {
      done();
      throw error;
    }
  }

  #find(sessionId: string): Session | undefined {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || !this.#isIdleFor(session, this.#idleMs)) return session;
    void this.#end(session);
    return undefined;
  }

  #touch(session: Session): void {
    if (!this.#sessions.delete(session.id)) return;
    session.lastUsedMs = this.#options.clock.monotonicMs();
    this.#sessions.set(session.id, session);
  }

  #endIdle(): void {
    for (const session of this.#sessions.values()) {
      if (this.#isIdleFor(session, this.#idleMs)) void this.#end(session);
    }
  }

  #makeRoom(): boolean {
    if (this.#sessions.size < this.#options.maxSessions) return true;
    this.#endIdle();
    if (this.#sessions.size < this.#options.maxSessions) return true;
    for (const session of this.#sessions.values()) {
      if (!this.#isIdleFor(session, MIN_IDLE_TO_EVICT_MS)) continue;
      void this.#end(session);
      return true;
    }
    return false;
  }

  #isIdleFor(session: Session, durationMs: number): boolean {
    return session.openExchanges === 0 && this.#options.clock.monotonicMs() - session.lastUsedMs >= durationMs;
  }

  async #end(session: Session): Promise<void> {
    this.#sessions.delete(session.id);
    await session.server.close().catch((error: unknown) => logger.warn("mcp_session_not_closed", { error }));
  }
}

function answer(response: Response): SessionAnswer {
  return { response, done: () => undefined };
}
