import type { Readable, Writable } from "node:stream";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { toCaller, UNNAMED } from "../access/principal.ts";
import { getLogger } from "../logging/logger.ts";
import type { McpServerBuilder } from "./mcp-tool.ts";

export interface McpStdioOptions {
  readonly build: McpServerBuilder;
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
  const { input = process.stdin, output = process.stdout } = options;
  const transport = new ObservedTransport(input, output);
  const sender = { isLasting: true, clientId: "stdio", caller: () => LOCAL_CALLER, mayManage: () => true };
  const connection = serveStdio(({ era }) => options.build({ era, ...sender }), {
    transport,
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
