import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Clock } from "../core/clock.ts";
import type { HttpCall, HttpTransport } from "./http-transport.ts";
import { PhaseTimer } from "./phase-timer.ts";
import { compressedAnswer, noAnswerInTime, notConnectedInTime, toTransportError } from "./transport-error.ts";

/** Takes a body as it arrives; what it throws ends the exchange. */
export interface BodySink {
  write(chunk: Buffer): void;
}

export interface ExchangeOptions {
  readonly transport: HttpTransport;
  readonly clock: Clock;
  readonly call: HttpCall;
  /** How long the server may think, from the send to the head of its answer. */
  readonly answerLimitMs: number;
  /** Called when the request is on its way. */
  readonly onSent?: () => void;
  /** The sink for the body of a 2xx answer; without one it is kept as `text`. */
  readonly openSink?: (headers: IncomingHttpHeaders) => BodySink;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** At most 64 KiB of the body; empty when a sink took it. */
  readonly text: string;
  /** From the send to the end of the answer. */
  readonly elapsedMs: number;
}

const CONNECT_LIMIT_MS = 5000;
const BODY_IDLE_LIMIT_MS = 30_000;
const MAX_TEXT_BYTES = 64 * 1024;
/** libuv gives one connection as much as 2 MiB in a row, and decoding that takes milliseconds. */
const BYTES_PER_TURN = 256 * 1024;

/**
 * Sends one request and reads its answer, whatever the status. Each phase has its own limit: 5 s to connect,
 * `answerLimitMs` for the head of the answer, 30 s between two pieces of its body.
 *
 * @throws {UpstreamError} `upstream_unavailable` when the server was not reached, `upstream_timeout` when it was but did
 *   not answer, `upstream_connection_lost`, `not_a_kserve_endpoint`
 */
export async function exchange(options: ExchangeOptions): Promise<Answer> {
  const { transport, clock, call } = options;
  const phase = new AbortController();
  const timer = new PhaseTimer(clock);
  const signal = AbortSignal.any([call.signal, phase.signal]);
  let sentAtMs: number | undefined;
  let hasAnswered = false;
  const progress = () => ({
    method: call.method,
    isSent: sentAtMs !== undefined,
    hasAnswered,
    elapsedMs: sentAtMs === undefined ? 0 : clock.monotonicMs() - sentAtMs,
  });
  let response: IncomingMessage | undefined;
  const giveUp = (): void => phase.abort(noAnswerInTime(progress()));

  timer.start(CONNECT_LIMIT_MS, () => phase.abort(notConnectedInTime(CONNECT_LIMIT_MS)));
  try {
    response = await transport.send({ ...call, signal }, () => {
      sentAtMs = clock.monotonicMs();
      timer.start(options.answerLimitMs, giveUp);
      options.onSent?.();
    });
    hasAnswered = true;
    let lastChunkAtMs = clock.monotonicMs();
    timer.startIdle(BODY_IDLE_LIMIT_MS, () => lastChunkAtMs, giveUp);
    const text = await readBody(response, options, () => {
      lastChunkAtMs = clock.monotonicMs();
    });
    return { status: response.statusCode ?? 0, headers: response.headers, text, elapsedMs: progress().elapsedMs };
  } catch (error) {
    response?.destroy();
    throw signal.aborted ? signal.reason : toTransportError(error, progress());
  } finally {
    timer.stop();
  }
}

async function readBody(response: IncomingMessage, options: ExchangeOptions, onChunk: () => void): Promise<string> {
  const { statusCode = 0, headers } = response;
  const isSuccess = statusCode >= 200 && statusCode < 300;
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    if (isSuccess) throw compressedAnswer();
    response.destroy();
    return "";
  }
  const excerpt = new Excerpt();
  const sink = (isSuccess ? options.openSink?.(headers) : undefined) ?? excerpt;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let turnBytes = 0;
  response.on("data", (chunk: Buffer) => {
    onChunk();
    turnBytes += chunk.length;
    if (turnBytes >= BYTES_PER_TURN) {
      turnBytes = 0;
      response.pause();
      setImmediate(() => response.resume());
    }
    try {
      sink.write(chunk);
    } catch (error) {
      reject(error);
    }
    if (!excerpt.isFull) return;
    resolve();
    response.destroy();
  });
  response.once("end", resolve);
  response.on("error", reject);
  response.once("close", () => reject(new Error("The connection closed before the end of the answer")));
  await promise;
  return excerpt.text;
}

/** Keeps the first 64 KiB of a body. */
class Excerpt implements BodySink {
  readonly #chunks: Buffer[] = [];
  #length = 0;

  get isFull(): boolean {
    return this.#length >= MAX_TEXT_BYTES;
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString("utf8", 0, Math.min(this.#length, MAX_TEXT_BYTES));
  }

  write(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }
}
