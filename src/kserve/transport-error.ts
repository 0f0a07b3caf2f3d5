import { MCPImageError } from "../core/errors.ts";
import { explainCut } from "./hop.ts";
import { BrokenHeadError } from "./http-transport.ts";
import { explainTlsFailure } from "./tls-failure.ts";
import { UpstreamError } from "./upstream-error.ts";

/** How far an exchange had come when it failed. */
export interface ExchangeProgress {
  readonly method: "GET" | "POST";
  readonly isSent: boolean;
  readonly hasAnswered: boolean;
  /** Since the send. */
  readonly elapsedMs: number;
}

/** A server that hangs up this soon after the send, without a word, had closed an idle connection: it read nothing. */
const STALE_CONNECTION_MS = 1000;

/** The error for a failure below HTTP; errors of our own pass through. */
export function toTransportError(error: unknown, progress: ExchangeProgress): MCPImageError {
  if (error instanceof MCPImageError) return error;
  const tlsHint = explainTlsFailure(error);
  if (tlsHint !== undefined) {
    return new UpstreamError("upstream_unavailable", {
      state: "no trusted TLS connection could be made",
      publicMessage: "No trusted TLS connection to the model server could be made",
      details: { hint: tlsHint },
      cause: error,
    });
  }
  if (isParserError(error)) {
    return new UpstreamError("not_a_kserve_endpoint", {
      state: "the server does not speak HTTP as expected",
      details: { hint: "Check the scheme and the port of KSERVE_ENDPOINT", ...jobDetails(progress) },
      cause: error,
    });
  }
  if (!progress.isSent) {
    return new UpstreamError("upstream_unavailable", {
      state: "the server could not be reached",
      retry: "after_backoff",
      cause: error,
    });
  }
  const hasAnswered = progress.hasAnswered || error instanceof BrokenHeadError;
  const isStale = !hasAnswered && progress.elapsedMs < STALE_CONNECTION_MS;
  if (isStale || progress.method === "GET") {
    return new UpstreamError("upstream_unavailable", {
      state: "the server closed the connection without an answer",
      retry: "after_backoff",
      cause: error,
    });
  }
  const hint = hasAnswered ? undefined : explainCut({ elapsedMs: progress.elapsedMs, text: "" });
  return new UpstreamError("upstream_connection_lost", {
    state: hasAnswered ? "the connection broke inside the answer" : "the connection broke before an answer",
    details: { ...jobDetails(progress), ...(hint !== undefined && { hint }) },
    cause: error,
  });
}

/** The error for a server that accepts no connection within the limit. */
export function notConnectedInTime(limitMs: number): UpstreamError {
  return new UpstreamError("upstream_unavailable", {
    state: `no connection within ${limitMs / 1000} s`,
    retry: "after_backoff",
  });
}

/** The error for a server that was reached but stays silent. */
export function noAnswerInTime(progress: ExchangeProgress): UpstreamError {
  return new UpstreamError("upstream_timeout", {
    state: `no ${progress.hasAnswered ? "more of the answer" : "answer"} after ${toSeconds(progress.elapsedMs)} s`,
    details: jobDetails(progress),
  });
}

/** The error for an answer in an encoding that was not asked for. */
export function compressedAnswer(): UpstreamError {
  return new UpstreamError("not_a_kserve_endpoint", {
    state: "the answer is compressed although the request forbids it",
    publicMessage: "The model server compressed its answer, which is not accepted",
    details: { hint: "Switch compression off in the proxy before the model server" },
  });
}

/** Seconds with one decimal, for people. */
export function toSeconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}

/** What is known about the job behind a POST that was sent. */
function jobDetails(progress: ExchangeProgress): {
  elapsed_seconds: number;
  maybe_running?: true;
} {
  const { elapsedMs, method } = progress;
  return { elapsed_seconds: toSeconds(elapsedMs), ...(method === "POST" && { maybe_running: true }) };
}

function isParserError(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("HPE_");
}
