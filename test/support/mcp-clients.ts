import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client, StreamableHTTPClientTransport, type ClientCapabilities } from "@modelcontextprotocol/client";
import { toCaller, UNNAMED } from "../../src/access/principal.ts";
import type { Clock } from "../../src/core/clock.ts";
import { createMcpHttpHandler, type McpHttpHandler } from "../../src/mcp/mcp-http-handler.ts";
import type { McpServerBuilder } from "../../src/mcp/mcp-tool.ts";
import type { NewsSource } from "../../src/mcp/news.ts";

export interface McpHttpOptions {
  readonly build: McpServerBuilder;
  readonly maxSessions?: number;
  readonly sessionIdleSeconds?: number;
  readonly maxBodyBytes?: number;
  /** Whether the clients may delete and keep pictures; default true. */
  readonly mayManage?: boolean;
  readonly newsSources?: readonly NewsSource[];
  readonly clock?: Clock;
}

/** The HTTP handler behind a real server on a free port. */
export async function serveMcpHttp(options: McpHttpOptions) {
  const handler: McpHttpHandler = createMcpHttpHandler({
    maxSessions: 10,
    sessionIdleSeconds: 600,
    slowTools: ["generate_image", "view_image", "vary_image"],
    ...options,
  });
  const { mayManage = true } = options;
  const server = createServer((req, res) => {
    const caller = toCaller(UNNAMED, req.socket.remoteAddress ?? "unknown");
    void handler.handle(req, res, { caller, challenge: () => undefined, mayManage });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    await handler.close({ signal: AbortSignal.abort() });
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { handler, server, url: new URL(`http://127.0.0.1:${port}/mcp`), stop, [Symbol.asyncDispose]: stop };
}

export type Era = "legacy" | "modern";
export const ERAS: readonly Era[] = ["legacy", "modern"];

/** A client that speaks one of the two eras. */
export function createMcpClient(era: Era, capabilities: ClientCapabilities = {}): Client {
  return new Client(
    { name: "test-client", version: "1.0.0" },
    { capabilities, versionNegotiation: { mode: era === "legacy" ? "legacy" : { pin: "2026-07-28" } } },
  );
}

/** @param token goes with every request */
export async function connectMcpHttp(url: URL, era: Era, token?: string): Promise<Client> {
  const client = createMcpClient(era);
  const requestInit = token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
  return client;
}
