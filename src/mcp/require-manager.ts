import { MCPImageError } from "../core/errors.ts";
import type { ToolCall } from "./tool-call.ts";

/** @throws {MCPImageError} `forbidden` for a caller from elsewhere, while nobody has to say who they are */
export function requireManager({ mayManage }: Pick<ToolCall, "mayManage">): void {
  if (mayManage) return;
  throw new MCPImageError("forbidden", "The client is not on this machine", {
    publicMessage: "Only clients on the server's own machine may do this",
  });
}
