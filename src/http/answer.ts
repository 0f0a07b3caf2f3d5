import type { IncomingHttpHeaders } from "node:http";
import { toPublicError, type MCPImageError } from "../core/errors.ts";
import { DATA_POLICY, type HeaderList } from "./response-headers.ts";

/** What a route gives back, whole, before anything is sent. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Buffer;
  /** Names and values in turn, beside the ones that every answer has. */
  readonly headers: HeaderList;
}

const JSON_TYPE = "application/json; charset=utf-8";
const DATA_HEADERS: HeaderList = ["Cache-Control", "no-store", "Content-Security-Policy", DATA_POLICY];

export function toJsonAnswer(value: unknown, status = 200, headers: HeaderList = []): Answer {
  return { status, contentType: JSON_TYPE, body: JSON.stringify(value), headers: [...DATA_HEADERS, ...headers] };
}

export function toTextAnswer(body: string, contentType: string): Answer {
  return { status: 200, contentType, body, headers: DATA_HEADERS };
}

/** A page of ours: `policy` allows what it needs and nothing else. */
export function toPageAnswer(body: string, policy: string, status = 200): Answer {
  return {
    status,
    contentType: "text/html; charset=utf-8",
    body,
    headers: [
      "Cache-Control",
      "no-cache",
      "Content-Security-Policy",
      policy,
      "Cross-Origin-Opener-Policy",
      "same-origin",
    ],
  };
}

/** The public words of an error, with its status and, when it knows one, `Retry-After`. */
export function toErrorAnswer(error: MCPImageError, headers: HeaderList = []): Answer {
  const seconds = error.details["retry_after_seconds"];
  const retryAfter = typeof seconds === "number" ? ["Retry-After", String(Math.max(1, Math.ceil(seconds)))] : [];
  return toJsonAnswer(toPublicError(error), error.httpStatus, [...retryAfter, ...headers]);
}

/** True when the client unpacks gzip. */
export function acceptsGzip(headers: IncomingHttpHeaders): boolean {
  const accepted = headers["accept-encoding"];
  return typeof accepted === "string" && /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))|,|$)/i.test(accepted);
}
