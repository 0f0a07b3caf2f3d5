import type { CallToolResult } from "@modelcontextprotocol/server";
import { toPublicError, type MCPImageError } from "../core/errors.ts";

/** The error as a result that the model can read and act on: our words for a stranger, as JSON. */
export function toErrorResult(error: MCPImageError): CallToolResult {
  return { isError: true, content: [{ type: "text", text: JSON.stringify(toPublicError(error)) }] };
}

/** The same small JSON as structured content and as text. */
export function toJsonResult(document: Record<string, unknown>): CallToolResult {
  return { content: [{ type: "text", text: JSON.stringify(document) }], structuredContent: document };
}
