import type { IncomingMessage } from "node:http";
import { isJsonContentType } from "@modelcontextprotocol/server";
import { JSON_RPC_CODES, toJsonRpcProblem, toProblemOfCode } from "./json-rpc-problem.ts";

export type JsonBody =
  | { readonly kind: "json"; readonly body: unknown }
  | { readonly kind: "refused"; readonly response: Response };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The JSON body of a POST, or the answer that refuses it. A body over `maxBytes` is not read to its end.
 *
 * @throws when the client goes away before the body is whole
 */
export async function readJsonBody(req: IncomingMessage, maxBytes: number): Promise<JsonBody> {
  if (!isJsonContentType(req.headers["content-type"] ?? null)) return refuse(toProblemOfCode("unsupported_media_type"));
  const bytes = await readBytes(req, maxBytes);
  // The rest of the body is not wanted: the connection cannot be used for another request.
  if (bytes === undefined) return refuse(toProblemOfCode("payload_too_large", { headers: { connection: "close" } }));
  try {
    const body: unknown = JSON.parse(utf8.decode(bytes));
    return { kind: "json", body };
  } catch {
    return refuse(toJsonRpcProblem(400, JSON_RPC_CODES.parseError, "Parse error: the body is not valid JSON"));
  }
}

/** `undefined` when there are more than `maxBytes`. */
async function readBytes(req: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  if (Number(req.headers["content-length"] ?? 0) > maxBytes) return undefined;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  const chunks: Buffer[] = [];
  let size = 0;
  req.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
    else resolve(undefined);
  });
  req.once("end", () => resolve(Buffer.concat(chunks)));
  req.once("error", reject);
  req.once("close", () => {
    // Every request closes at last, and an error that nobody sees is not free.
    if (!req.readableEnded) reject(new Error("Cannot read the body: the client went away"));
  });
  return promise;
}

function refuse(response: Response): JsonBody {
  return { kind: "refused", response };
}
