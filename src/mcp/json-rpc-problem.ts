import type { ProtocolError } from "@modelcontextprotocol/server";
import { ERROR_TABLE, type ErrorCode } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";

/** Codes of JSON-RPC and of the protocol that this server answers itself. */
export const JSON_RPC_CODES = { parseError: -32700, serverError: -32000, sessionNotFound: -32001 } as const;

export interface JsonRpcProblemOptions {
  /** The message that is answered: its id is repeated when it has one. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** An HTTP answer that carries a JSON-RPC error. */
export function toJsonRpcProblem(
  status: number,
  code: number,
  message: string,
  options: JsonRpcProblemOptions = {},
): Response {
  const { body, headers, data } = options;
  const error = { code, message, ...(data && { data }) };
  return Response.json({ jsonrpc: "2.0", error, id: idOf(body) }, { status, ...(headers && { headers }) });
}

/** The answer for one of our own error codes. */
export function toProblemOfCode(errorCode: ErrorCode, options: JsonRpcProblemOptions = {}): Response {
  const { httpStatus, publicMessage, retryable } = ERROR_TABLE[errorCode];
  return toJsonRpcProblem(httpStatus, JSON_RPC_CODES.serverError, publicMessage, {
    ...options,
    data: { ...options.data, error: errorCode, retryable },
  });
}

/** The answer for an error of the protocol that the SDK would have sent. */
export function toProblemOfProtocol({ code, message, data }: ProtocolError, body: unknown): Response {
  return toJsonRpcProblem(400, code, message, { body, ...(isJsonObject(data) && { data }) });
}

function idOf(body: unknown): string | number | null {
  if (!isJsonObject(body) || typeof body["method"] !== "string") return null;
  const { id } = body;
  return typeof id === "string" || typeof id === "number" ? id : null;
}
