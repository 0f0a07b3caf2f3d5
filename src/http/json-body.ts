import { MCPImageError, ValidationError } from "../core/errors.ts";
import type { Exchange } from "./exchange.ts";

/** Far more than the longest prompt takes. */
const DEFAULT_MAX_BYTES = 256 * 1024;
const JSON_TYPE = /^application\/json\s*(?:;|$)/i;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The JSON body of a request. The type is required: a page of another origin cannot send it without asking first.
 *
 * @throws {MCPImageError} `unsupported_media_type`, `payload_too_large`
 * @throws {ValidationError} `invalid_argument` for what is no JSON
 */
export async function readJson({ request }: Exchange, maxBytes: number = DEFAULT_MAX_BYTES): Promise<unknown> {
  if (!JSON_TYPE.test(request.headers["content-type"] ?? "")) {
    throw new MCPImageError("unsupported_media_type", "The body is not JSON by its type");
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > maxBytes) throw new MCPImageError("payload_too_large", "The body is too large");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(utf8.decode(Buffer.concat(chunks)));
  } catch (error) {
    throw new ValidationError("invalid_argument", "Cannot read the body: it is not JSON", {
      publicMessage: "The body is not valid JSON",
      cause: error,
    });
  }
}
