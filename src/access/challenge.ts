import type { MCPImageError } from "../core/errors.ts";

/** Lets a browser ask its user for a token: as the password, with any name. */
export const BASIC_CHALLENGE = 'Basic realm="mcp-image-server", charset="UTF-8"';

/**
 * The value of `WWW-Authenticate` that goes with an error: how to get a token, or one that may do more.
 * `undefined` for errors that no token helps against.
 */
export function toChallenge(error: MCPImageError, resourceMetadataUrl: string | undefined): string | undefined {
  const metadata = resourceMetadataUrl === undefined ? [] : [`resource_metadata="${resourceMetadataUrl}"`];
  if (error.code === "unauthorized") return ['Bearer realm="mcp-image-server"', ...metadata].join(", ");
  if (error.code !== "insufficient_scope") return undefined;
  const scope = String(error.details["required_scope"]);
  return [`Bearer error="insufficient_scope"`, `scope="${scope}"`, ...metadata].join(", ");
}
