import { once } from "node:events";
import { createServer } from "node:http";
import { getLogger } from "../logging/logger.ts";
import type { ListenAddress } from "./base-url.ts";
import { DEFAULT_HTTP_LIMITS } from "./http-limits.ts";
import type { MetricsPrinter } from "./route-handlers.ts";

/** `/metrics` on a port of its own, for those who scrape. */
export interface MetricsServer extends AsyncDisposable {
  /** Gives the address; port 0 takes a free one. */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /** Safe to call twice. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 32;

const logger = getLogger("http");

export function createMetricsServer(printer: MetricsPrinter): MetricsServer {
  const { headersTimeoutMs, requestTimeoutMs, connectionsCheckingIntervalMs, maxHeaderBytes } = DEFAULT_HTTP_LIMITS;
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: connectionsCheckingIntervalMs,
      maxHeaderSize: maxHeaderBytes,
    },
    (request, response) => {
      const [path] = (request.url ?? "").split("?");
      if (path !== "/metrics" || (request.method !== "GET" && request.method !== "HEAD")) {
        response.writeHead(404, { "Content-Length": "0", Connection: "close" }).end();
        return;
      }
      printer.print().then(
        (text) => {
          const headers = { "Content-Type": printer.contentType, "Cache-Control": "no-store" };
          response.writeHead(200, headers).end(request.method === "HEAD" ? undefined : text);
        },
        (error: unknown) => {
          logger.error("metrics_failed", { error });
          response.writeHead(500, { "Content-Length": "0" }).end();
        },
      );
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return {
    listen: async ({ host, port }) => {
      server.listen({ host, port });
      await once(server, "listening");
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("The server has no port");
      return { host: address.address, port: address.port };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
