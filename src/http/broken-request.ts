import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { isErrno, MCPImageError, toPublicError, type ErrorCode } from "../core/errors.ts";

/** Answers what never became a request (bad syntax, too large, too slow) with JSON as far as that is possible, and closes. */
export function answerBrokenRequest(error: Error, socket: Duplex): void {
  if (!socket.writable || isErrno(error, "ECONNRESET", "EPIPE")) {
    socket.destroy();
    return;
  }
  const failure = new MCPImageError(toCode(error), "The request is broken", { cause: error });
  const body = JSON.stringify(toPublicError(failure));
  const head = [
    `HTTP/1.1 ${failure.httpStatus} ${STATUS_CODES[failure.httpStatus] ?? ""}`,
    "Connection: close",
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

function toCode(error: Error): ErrorCode {
  if (isErrno(error, "HPE_HEADER_OVERFLOW")) return "headers_too_large";
  if (isErrno(error, "ERR_HTTP_REQUEST_TIMEOUT")) return "request_timeout";
  return "malformed_request";
}
