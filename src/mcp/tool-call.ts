import type { CallToolResult, ServerContext } from "@modelcontextprotocol/server";
import type { Clock } from "../core/clock.ts";
import { MCPImageError, toMcpImageError } from "../core/errors.ts";
import type { Caller } from "../access/principal.ts";
import type { GenerateOptions } from "../images/image-jobs.ts";
import { getLogger } from "../logging/logger.ts";
import { toMaxWait, type MaxWait } from "./max-wait.ts";
import type { McpConnection } from "./mcp-tool.ts";
import { ProgressReporter } from "./progress-reporter.ts";
import { toErrorResult } from "./tool-result.ts";

export interface ToolCallOptions {
  readonly tool: string;
  readonly context: ServerContext;
  readonly connection: McpConnection;
  readonly maxWait: MaxWait;
  readonly clock: Clock;
}

/** What a tool knows of one call: who makes it, how it ends, how it hears of progress, and how long it may take. */
export interface ToolCall extends GenerateOptions {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Whether the caller may delete and keep pictures. */
  readonly mayManage: boolean;
  /** Begins to tell of progress, when the client asked for it. */
  readonly startProgress: () => void;
}

const logger = getLogger("mcp");

/** Runs one call of a tool, with progress while it lasts; every error becomes a result that the model can act on. */
export async function runToolCall(
  { tool, context, connection, maxWait, clock }: ToolCallOptions,
  work: (call: ToolCall) => Promise<CallToolResult>,
): Promise<CallToolResult> {
  // NOTE: the signal fires also after an answer was given, when the server of the request closes.
  const { _meta, notify, signal } = context.mcpReq;
  const progressToken = _meta?.progressToken;
  // Up to 2025-11-25 a lost connection is no cancel; since 2026-07-28 it is one, and `signal` says so.
  const lostSignal = connection.era === "legacy" ? context.http?.req?.signal : undefined;
  const reporter =
    progressToken === undefined
      ? undefined
      : new ProgressReporter({
          clock,
          send: async (message) => notify({ method: "notifications/progress", params: { progressToken, ...message } }),
        });
  try {
    return await work({
      clientId: connection.clientId,
      caller: connection.caller(context),
      mayManage: connection.mayManage(context),
      signal,
      startProgress: () => reporter?.start(),
      ...toMaxWait(maxWait, reporter !== undefined),
      ...(lostSignal && { lostSignal }),
      ...(reporter && { onProgress: reporter.report }),
    });
  } catch (error) {
    // The image service has logged its own failures.
    if (!(error instanceof MCPImageError)) logger.error("tool_failed", { tool, error });
    return toErrorResult(toMcpImageError(error));
  } finally {
    await reporter?.stop();
  }
}
