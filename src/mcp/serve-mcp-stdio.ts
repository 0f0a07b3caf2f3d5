import type { Readable, Writable } from "node:stream";
import type { McpServer } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { toCaller, UNNAMED } from "../access/principal.ts";
import { getLogger } from "../logging/logger.ts";
import { PassThroughTracing, type Tracing } from "../telemetry/tracing.ts";
import type { McpConnection, McpServerBuilder } from "./mcp-tool.ts";
import { NewsTransport } from "./news-transport.ts";
import type { NewsSource } from "./news.ts";
import { toServedCall } from "./served-call.ts";
import { TracedTransport } from "./traced-transport.ts";

export interface McpStdioOptions {
  readonly build: McpServerBuilder;
  /** Makes calls visible. Default: nothing is recorded. */
  readonly tracing?: Tracing;
  /** The tools that calls are told by the name of; others are told as nameless. Default: none. */
  readonly toolNames?: ReadonlySet<string>;
  /** What a client of the newer era can subscribe to beside what the SDK knows. Default: nothing. */
  readonly newsSources?: readonly NewsSource[];
  /** Default: the standard streams of the process. */
  readonly input?: Readable;
  readonly output?: Writable;
}

export interface McpStdioConnection extends AsyncDisposable {
  /** Resolves when the client has left; its calls in flight are cancelled by then. */
  readonly closed: Promise<void>;
  /** Ends the connection; safe to call twice. */
  close(): Promise<void>;
}

/** Whoever started the process may do what the process may do. */
const LOCAL_CALLER = toCaller(UNNAMED, "stdio");

const logger = getLogger("mcp");

/**
 * MCP over the standard streams, for both protocol eras. Nothing is done before the first message: some clients
 * start a process merely to probe it. Nothing but MCP may be written to the output.
 */
export function serveMcpStdio(options: McpStdioOptions): McpStdioConnection {
  const { input = process.stdin, output = process.stdout, toolNames = new Set<string>() } = options;
  const tracing = options.tracing ?? new PassThroughTracing();
  const transport = new ObservedTransport(input, output);
  const sender = { isLasting: true, clientId: "stdio", caller: () => LOCAL_CALLER, mayManage: () => true };
  const build = (connection: McpConnection): McpServer => {
    const server = options.build(connection);
    const connect = server.connect.bind(server);
    server.connect = async (channel) =>
      connect(
        new TracedTransport({
          transport: channel,
          tracing,
          toServedCall: (body, protocolVersion) =>
            toServedCall({ body, carrier: { kind: "stdio", protocolVersion }, tools: toolNames }),
        }),
      );
    return server;
  };
  const connection = serveStdio(({ era }) => build({ era, ...sender }), {
    transport: new NewsTransport({ transport, sources: options.newsSources ?? [], caller: LOCAL_CALLER }),
    onerror: (error) => logger.debug("mcp_message_refused", { error }),
  });
  const close = async (): Promise<void> => connection.close();
  return { closed: transport.closed, close, [Symbol.asyncDispose]: close };
}

/** Tells when the connection has ended, by whichever side. */
class ObservedTransport extends StdioServerTransport {
  readonly #closed = Promise.withResolvers<void>();
  readonly closed = this.#closed.promise;

  override async close(): Promise<void> {
    await super.close();
    this.#closed.resolve();
  }
}
