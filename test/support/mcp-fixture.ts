import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Clock } from "../../src/core/clock.ts";
import { KServeError } from "../../src/core/errors.ts";
import { ImageService } from "../../src/images/image-service.ts";
import type { GeneratedImage, GenerateImageOptions, GenerateImageRequest } from "../../src/kserve/generated-image.ts";
import { createMcpServerFactory } from "../../src/mcp/create-mcp-server-factory.ts";
import { GenerateImageTool } from "../../src/mcp/generate-image-tool.ts";
import { createMcpHttpHandler, type McpHttpHandler } from "../../src/mcp/mcp-http-handler.ts";
import type { McpServerBuilder } from "../../src/mcp/mcp-tool.ts";
import { FairQueue } from "../../src/queue/fair-queue.ts";
import { MockKServeClient } from "../../src/testing/mock-kserve-client.ts";
import { MockStorage } from "../../src/testing/mock-storage.ts";

/** A mock whose jobs wait for `release()`, as those of a slow model do. */
export class HeldGenerator extends MockKServeClient {
  readonly cancelled: GenerateImageRequest[] = [];
  #held = false;
  #open = Promise.withResolvers<void>();
  #started = Promise.withResolvers<void>();

  hold(): void {
    this.#held = true;
    this.#open = Promise.withResolvers();
    this.#started = Promise.withResolvers();
  }

  release(): void {
    this.#held = false;
    this.#open.resolve();
  }

  /** Resolves when a job has come in since `hold()`. */
  async started(): Promise<void> {
    return this.#started.promise;
  }

  override async generateImage(
    request: GenerateImageRequest,
    options: GenerateImageOptions = {},
  ): Promise<GeneratedImage> {
    this.#started.resolve();
    if (this.#held) {
      const cancelled = Promise.withResolvers<"cancelled">();
      options.signal?.addEventListener("abort", () => cancelled.resolve("cancelled"), { once: true });
      if ((await Promise.race([this.#open.promise, cancelled.promise])) === "cancelled") {
        this.cancelled.push(request);
        throw new KServeError("cancelled", "Cannot generate the image: the caller gave up");
      }
    }
    return super.generateImage(request, options);
  }
}

export interface McpPartsOptions {
  readonly depth?: number;
  readonly ttlSeconds?: number;
  readonly clock?: Clock;
}

/** Everything below the transport, with a mock model and storage. */
export function createMcpParts(options: McpPartsOptions = {}) {
  const generator = new HeldGenerator();
  const storage = new MockStorage();
  const queue = new FairQueue({ concurrency: 1, depth: options.depth ?? 8, timeoutMs: 60_000 });
  const images = new ImageService({ storage, generator, queue, ttlSeconds: options.ttlSeconds ?? 3600 });
  const tool = new GenerateImageTool({
    images,
    modelName: "stable-diffusion",
    ...(options.clock && { clock: options.clock }),
  });
  const build = createMcpServerFactory({ version: "1.2.3", features: [tool] });
  return { generator, storage, queue, images, tool, build };
}

export interface McpHttpOptions {
  readonly build: McpServerBuilder;
  readonly maxSessions?: number;
  readonly sessionIdleSeconds?: number;
  readonly maxBodyBytes?: number;
  readonly clock?: Clock;
}

/** The HTTP handler behind a real server on a free port. */
export async function serveMcpHttp(options: McpHttpOptions) {
  const handler: McpHttpHandler = createMcpHttpHandler({
    maxSessions: 10,
    sessionIdleSeconds: 600,
    slowTools: ["generate_image"],
    ...options,
  });
  const server = createServer((req, res) => void handler.handle(req, res));
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
export function createMcpClient(era: Era): Client {
  return new Client(
    { name: "test-client", version: "1.0.0" },
    { versionNegotiation: { mode: era === "legacy" ? "legacy" : { pin: "2026-07-28" } } },
  );
}

export async function connectMcpHttp(url: URL, era: Era): Promise<Client> {
  const client = createMcpClient(era);
  await client.connect(new StreamableHTTPClientTransport(url));
  return client;
}
