import type { CallToolResult } from "@modelcontextprotocol/server";
import { toPublicError, type MCPImageError } from "../core/errors.ts";
import type { GenerateImageResponse } from "../images/generate-image-params.ts";

/**
 * The answer to a generation as a tool result: the same small JSON as structured content and as text, the URL as
 * Markdown for the clients that draw it, and a link to the resource. Never the picture itself.
 */
export function toImageResult(response: GenerateImageResponse): CallToolResult {
  const { url, image_id, metadata } = response;
  const { mime_type, size } = metadata;
  return {
    content: [
      { type: "text", text: JSON.stringify(response) },
      { type: "text", text: `![Generated image](${url})` },
      {
        type: "resource_link",
        uri: url,
        name: image_id,
        title: "Generated image",
        ...(typeof mime_type === "string" && { mimeType: mime_type }),
        ...(typeof size === "number" && { size }),
      },
    ],
    structuredContent: { url, image_id, metadata },
  };
}

/** The error as a result that the model can read and act on: our words for a stranger, as JSON. */
export function toErrorResult(error: MCPImageError): CallToolResult {
  return { isError: true, content: [{ type: "text", text: JSON.stringify(toPublicError(error)) }] };
}
