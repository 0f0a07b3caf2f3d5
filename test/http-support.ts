import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { createImageId, type ImageId } from "../src/core/image-id.ts";
import type { ImageFormat } from "../src/core/image-format.ts";
import { createHttpServer, type HttpServer, type HttpServerOptions } from "../src/http/http-server.ts";
import type { ImageGenerator } from "../src/kserve/generated-image.ts";
import { ImageService } from "../src/images/image-service.ts";
import { FairQueue } from "../src/queue/fair-queue.ts";
import type { AbstractStorage } from "../src/storage/abstract-storage.ts";
import { createFakeClock, type FakeClock } from "../src/testing/fake-clock.ts";
import { MockStorage } from "../src/testing/mock-storage.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";

export interface TestServerOptions extends Partial<Omit<HttpServerOptions, "clock">> {
  readonly clock?: FakeClock;
  readonly storage?: AbstractStorage;
  /** Default: one that fails. */
  readonly generator?: ImageGenerator;
  readonly ttlSeconds?: number | undefined;
  readonly urlMode?: "proxy" | "redirect" | "presigned";
  readonly host?: string;
  /** Where the client connects to. */
  readonly address?: string;
}

/** A server on a free port of this machine with its own store and a clock that stands still. */
export interface TestServer extends AsyncDisposable {
  readonly http: HttpServer;
  /** What it was made from. */
  readonly options: HttpServerOptions;
  readonly port: number;
  readonly storage: AbstractStorage;
  readonly clock: FakeClock;
  /** Saves a picture that was created now and gives its id. */
  save(imageData?: Uint8Array, format?: ImageFormat): Promise<ImageId>;
  get(path: string, headers?: Record<string, string>): Promise<HttpAnswer>;
  call(method: string, path: string, headers?: Record<string, string>, body?: string): Promise<HttpAnswer>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { clock = createFakeClock() } = options;
  const storage = options.storage ?? new MockStorage({ clock });
  const images = new ImageService({
    storage,
    clock,
    generator: options.generator ?? {
      generateImage: () => Promise.reject(new Error("Nothing draws here")),
      healthCheck: async () => true,
    },
    queue: new FairQueue({ concurrency: 1, depth: 4, timeoutMs: 1_000, clock }),
    urlSigner: options.urlSigner,
    urlMode: options.urlMode ?? "proxy",
    ...(options.policy && { policy: options.policy }),
    ttlSeconds: "ttlSeconds" in options ? options.ttlSeconds : 3_600,
  });
  const httpOptions: HttpServerOptions = {
    images,
    mcp: (_request, response) => void response.end("mcp"),
    health: { kserve: async () => "healthy", storage: async () => "healthy" },
    service: { name: "mcp-image-server", version: "0.0.0-test" },
    publicBaseUrl: undefined,
    allowedHosts: [],
    allowedOrigins: [],
    ...options,
    clock,
  };
  const http = createHttpServer(httpOptions);
  const { port } = await http.listen({ host: options.host ?? "127.0.0.1", port: 0 });
  const agent = new Agent({ keepAlive: true });
  const call: TestServer["call"] = async (method, path, headers = {}, body) =>
    callServer({ method, host: options.address ?? "127.0.0.1", port, path, headers, agent }, body);
  return {
    http,
    options: httpOptions,
    port,
    storage,
    clock,
    save: async (imageData = createSampleImage(2_000)) => {
      const imageId = createImageId(clock.nowMs());
      await storage.saveImage(imageData, imageId, { prompt: "a cat" });
      return imageId;
    },
    call,
    get: async (path, headers) => call("GET", path, headers),
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
      http.server.closeAllConnections();
      await http.close({ timeoutMs: 0 });
    },
  };
}

async function callServer(
  options: { method: string; host: string; port: number; path: string; headers: Record<string, string>; agent: Agent },
  body: string | undefined,
): Promise<HttpAnswer> {
  const outgoing = request(options);
  outgoing.end(body);
  const [incoming] = await once(outgoing, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return { status: incoming.statusCode, headers: incoming.headers, body: Buffer.concat(chunks) };
}

/** Sends the text as it is, says that no more will come, and gives all that comes back. */
export async function exchangeRaw(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(text, "latin1");
  let received = "";
  socket.setEncoding("latin1");
  for await (const chunk of socket) received += chunk;
  return received;
}

export function parseJson(answer: HttpAnswer): unknown {
  return JSON.parse(answer.body.toString());
}

export function assertError(answer: HttpAnswer, status: number, code: string): void {
  assert.deepEqual([answer.status, (parseJson(answer) as { error: string }).error], [status, code]);
  assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
}
