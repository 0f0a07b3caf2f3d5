import type { IncomingMessage, ServerResponse } from "node:http";
import { MCPImageError, toMcpImageError } from "../core/errors.ts";
import { getLogger } from "../logging/logger.ts";
import { V1_MODELS_PATH } from "../wire/v1.ts";

/** What the routes need of the engine. */
export interface EngineService {
  readonly modelName: string;
  readonly isReady: boolean;
  /** The body of a 200 answer to a predict request. */
  predict(body: unknown, options: PredictOptions): Promise<object>;
  /** The progress of a request that is waiting or running. */
  progressOf(requestId: string): object | undefined;
}

export interface PredictOptions {
  readonly requestId: string | undefined;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_REQUEST_ID_CHARACTERS = 200;

/** An answer that is decided: a status and its JSON. */
interface Answer {
  readonly status: number;
  readonly body: object;
}

/**
 * Answers one request as KServe's own model server does, to the letter of its error texts.
 * Format: KServe "V1 Protocol"; wordings of kserve 0.20 (`python/kserve/kserve/errors.py`).
 */
export async function answerEngineRequest(
  service: EngineService,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const answer = await route(service, request, gone.signal).catch(toErrorAnswer);
  if (gone.signal.aborted) return;
  const body = Buffer.from(JSON.stringify(answer.body));
  // A body that was not read to its end would be taken for the next request.
  if (!request.complete) response.setHeader("connection", "close");
  response.writeHead(answer.status, { "content-type": "application/json", "content-length": body.length }).end(body);
}

async function route(service: EngineService, request: IncomingMessage, signal: AbortSignal): Promise<Answer> {
  const url = new URL(request.url ?? "/", "http://engine");
  const isGet = request.method === "GET";
  if (url.pathname === "/" && isGet) return ok({ status: "alive" });
  if (url.pathname === V1_MODELS_PATH && isGet) return ok({ models: [service.modelName] });
  const target = parseTarget(url.pathname);
  if (target === undefined) return { status: 404, body: { detail: "Not Found" } };
  const { model, action } = target;
  if (model !== service.modelName) return refuse(404, `Model with name ${model} does not exist.`);
  if (action === "predict") {
    if (isGet) return refuse(404, `Model with name ${model}:predict does not exist.`);
    if (request.method !== "POST") return { status: 405, body: { detail: "Method Not Allowed" } };
    return ok(await service.predict(await readJson(request), { requestId: requestIdOf(request), signal }));
  }
  if (!isGet) return { status: 405, body: { detail: "Method Not Allowed" } };
  if (action === "progress") return progress(service, url.searchParams.get("request_id") ?? "");
  if (!service.isReady) return refuse(503, `Model with name ${model} is not ready.`);
  return ok({ name: model, ready: true });
}

function parseTarget(pathname: string): { model: string; action: "ready" | "predict" | "progress" } | undefined {
  let path: string;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  const [, model, suffix] = /^\/v1\/models\/([^/:]+)(:predict|\/progress)?$/.exec(path) ?? [];
  if (model === undefined) return undefined;
  if (suffix === undefined) return { model, action: "ready" };
  return { model, action: suffix === ":predict" ? "predict" : "progress" };
}

function progress(service: EngineService, requestId: string): Answer {
  const found = service.progressOf(requestId);
  return found === undefined ? refuse(404, "No request with this request_id is waiting or running.") : ok(found);
}

function requestIdOf(request: IncomingMessage): string | undefined {
  const value = request.headers["x-request-id"];
  return typeof value === "string" ? value.slice(0, MAX_REQUEST_ID_CHARACTERS) : undefined;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new MCPImageError("payload_too_large", `More than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    const message = "Unrecognized request format: the body is not JSON";
    throw new MCPImageError("invalid_argument", message, { publicMessage: message, cause: error });
  }
}

function toErrorAnswer(error: unknown): Answer {
  const { httpStatus, publicMessage } = toMcpImageError(error);
  // A failure of the model is this server's own, not that of a server behind it.
  const status = httpStatus > 500 && httpStatus !== 503 ? 500 : httpStatus;
  if (status === 500) getLogger("engine").error("engine_job_failed", { error });
  return refuse(status, publicMessage);
}

function ok(body: object): Answer {
  return { status: 200, body };
}

function refuse(status: number, error: string): Answer {
  return { status, body: { error } };
}
