import type { IncomingMessage, ServerResponse } from "node:http";
import { MCPImageError, toMcpImageError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { getLogger } from "../../logging/logger.ts";
import type { GenerationRequest } from "../generation-request.ts";
import type { Drawing } from "./drawing.ts";
import { findRoute, type Action } from "./find-route.ts";
import { invalid } from "./instance.ts";
import { toV1Answer } from "./v1-answer.ts";
import { parseV1Request } from "./v1-request.ts";
import { toV2Answer } from "./v2-answer.ts";
import { toModelMetadata, toServerMetadata } from "./v2-metadata.ts";
import { parseV2Request } from "./v2-request.ts";

/** What the routes need of the engine. */
export interface EngineService {
  readonly modelName: string;
  /** Of this package. */
  readonly version: string;
  readonly isReady: boolean;
  /** After how many seconds one who was turned away may come again. */
  readonly retryAfterSeconds: number;
  readonly random: Random;
  /** Draws every picture in turn. */
  draw(requests: readonly GenerationRequest[], options: DrawOptions): Promise<readonly Drawing[]>;
  /** The progress of a request that is waiting or running. */
  progressOf(requestId: string): object | undefined;
}

export interface DrawOptions {
  readonly requestId: string | undefined;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** An answer that is decided. */
interface Answer {
  readonly status: number;
  /** JSON, or bytes of the binary extension. */
  readonly body: object;
  readonly headers?: Readonly<Record<string, string | number>>;
}

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_REQUEST_ID_CHARACTERS = 200;
const HEADER_LENGTH = "inference-header-content-length";

/**
 * Answers one request of KServe's V1 protocol or of V2, the Open Inference Protocol, with the wordings of KServe's own
 * model server (kserve 0.20, `python/kserve/kserve/errors.py`). Resolves when the answer is sent or its client gone.
 */
export async function answerEngineRequest(
  service: EngineService,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  const closed = Promise.withResolvers<void>();
  response.once("close", () => {
    gone.abort();
    closed.resolve();
  });
  const answer = await answerOf(service, request, gone.signal).catch((error: unknown) => toErrorAnswer(service, error));
  if (gone.signal.aborted) return;
  const isJson = !Buffer.isBuffer(answer.body);
  const body = Buffer.isBuffer(answer.body) ? answer.body : Buffer.from(JSON.stringify(answer.body));
  // A body that was not read to its end would be taken for the next request.
  if (!request.complete) response.setHeader("connection", "close");
  response
    .writeHead(answer.status, {
      "content-type": isJson ? "application/json" : "application/octet-stream",
      "content-length": body.length,
      ...answer.headers,
    })
    .end(body);
  await closed.promise;
}

async function answerOf(service: EngineService, request: IncomingMessage, signal: AbortSignal): Promise<Answer> {
  const url = new URL(request.url ?? "/", "http://engine");
  const route = findRoute(request.method ?? "GET", url.pathname);
  switch (route.kind) {
    case "unknown":
      return { status: 404, body: { detail: "Not Found" } };
    case "wrong_method":
      return { status: 405, body: { detail: "Method Not Allowed" }, headers: { allow: route.allowed } };
    case "server":
      return ok(toServerAnswer(service, route.action));
    case "model": {
      const { model, action } = route;
      if (model !== service.modelName) return refuse(404, `Model with name ${model} does not exist.`);
      return answerOfModel(service, action, { request, url, signal });
    }
  }
}

function toServerAnswer(service: EngineService, action: Extract<Action, { readonly of: "server" }>["name"]): object {
  switch (action) {
    case "alive":
      return { status: "alive" };
    case "models":
      return { models: [service.modelName] };
    case "metadata":
      return toServerMetadata(service.version);
    case "live":
      return { live: true };
    case "ready":
      if (!service.isReady) throw notReady(service);
      return { ready: true };
  }
}

interface Call {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly signal: AbortSignal;
}

async function answerOfModel(
  service: EngineService,
  action: Extract<Action, { readonly of: "model" }>["name"],
  { request, url, signal }: Call,
): Promise<Answer> {
  const { modelName: name, random } = service;
  const options: DrawOptions = { requestId: requestIdOf(request), signal };
  switch (action) {
    case "ready":
      if (!service.isReady) throw notReady(service);
      return ok({ name, ready: true, progress: true });
    case "progress": {
      const found = service.progressOf(url.searchParams.get("request_id") ?? "");
      return found ? ok(found) : refuse(404, "No request with this request_id is waiting or running.");
    }
    case "metadata":
      return ok(toModelMetadata(name));
    case "versions":
      return refuse(501, "Model versioning not supported yet.");
    case "predict": {
      const requests = parseV1Request(parseJson(await readBody(request)), random);
      return ok(toV1Answer(name, await service.draw(requests, options)));
    }
    case "infer": {
      const asked = parseV2Request(await readBody(request), jsonBytesOf(request), random);
      const { body, jsonBytes } = toV2Answer(name, asked, await service.draw(asked.requests, options));
      if (jsonBytes !== undefined) return { status: 200, body, headers: { [HEADER_LENGTH]: jsonBytes } };
      return { status: 200, body, headers: { "content-type": "application/json" } };
    }
  }
}

function requestIdOf(request: IncomingMessage): string | undefined {
  const value = request.headers["x-request-id"];
  return typeof value === "string" ? value.slice(0, MAX_REQUEST_ID_CHARACTERS) : undefined;
}

function jsonBytesOf(request: IncomingMessage): number | undefined {
  const value = request.headers[HEADER_LENGTH];
  if (value === undefined) return undefined;
  if (typeof value === "string" && /^\d{1,10}$/.test(value)) return Number(value);
  throw invalid("Inference-Header-Content-Length", `is ${JSON.stringify(value).slice(0, 40)}`, "a number of bytes");
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new MCPImageError("payload_too_large", `More than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    const message = "Unrecognized request format: the body is not JSON";
    throw new MCPImageError("invalid_argument", message, { publicMessage: message, cause: error });
  }
}

function notReady({ modelName }: EngineService): MCPImageError {
  const message = `Model with name ${modelName} is not ready.`;
  return new MCPImageError("model_not_ready", message, { publicMessage: message });
}

/** What the status says holds for this server: a failure of its model is its own, not that of a server behind it. */
function toErrorAnswer(service: EngineService, error: unknown): Answer {
  const { httpStatus, publicMessage, code } = toMcpImageError(error);
  const status = httpStatus === 502 || httpStatus === 504 ? 500 : httpStatus;
  if (status === 500) getLogger("engine").error("engine_job_failed", { error });
  if (status === 507) getLogger("engine").warn("engine_job_failed", { error });
  const answer = refuse(status, code === "out_of_memory" ? OUT_OF_MEMORY : publicMessage);
  return status === 503 ? { ...answer, headers: { "retry-after": service.retryAfterSeconds } } : answer;
}

const OUT_OF_MEMORY = "The model ran out of memory; try a smaller width and height";

function ok(body: object): Answer {
  return { status: 200, body };
}

function refuse(status: number, error: string): Answer {
  return { status, body: { error } };
}
