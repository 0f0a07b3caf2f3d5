import type { CallToolResult, McpServer, ServerContext } from "@modelcontextprotocol/server";
import { systemClock, type Clock } from "../core/clock.ts";
import { MCPImageError, toMcpImageError } from "../core/errors.ts";
import type { GenerateOptions } from "../images/image-jobs.ts";
import type { ImageService } from "../images/image-service.ts";
import { getLogger } from "../logging/logger.ts";
import { advertiseOnly, memoSchema } from "./advertised-schema.ts";
import { describeGenerateImage } from "./generate-image-description.ts";
import {
  GenerateImageParams,
  GenerateImageResponse,
  parseGenerateImageParams,
  toGenerateImageRequest,
} from "../images/generate-image-params.ts";
import type { McpConnection, McpFeature } from "./mcp-tool.ts";
import { DEFAULT_MAX_WAIT, toMaxWait, type MaxWait } from "./max-wait.ts";
import { ProgressReporter } from "./progress-reporter.ts";
import { toErrorResult, toImageResult } from "./tool-result.ts";

export interface GenerateImageToolOptions {
  readonly images: Pick<ImageService, "generate" | "ttlSeconds">;
  /** The model really served; a function where it is known only later. */
  readonly modelName: string | (() => string);
  readonly maxWait?: MaxWait;
  readonly clock?: Clock;
}

const NAME = "generate_image";
const logger = getLogger("mcp");

/** The tool `generate_image`: a prompt becomes a stored picture with a URL. */
export class GenerateImageTool implements McpFeature {
  readonly name = NAME;
  readonly parameters = GenerateImageParams;
  readonly response = GenerateImageResponse;
  readonly slowTools = [NAME];
  readonly toolScopes = { [NAME]: "images:generate" } as const;
  readonly #images: Pick<ImageService, "generate" | "ttlSeconds">;
  readonly #modelName: string | (() => string);
  readonly #maxWait: MaxWait;
  readonly #clock: Clock;
  readonly #inputSchema = advertiseOnly(GenerateImageParams);
  readonly #outputSchema = memoSchema(GenerateImageResponse);

  constructor(options: GenerateImageToolOptions) {
    this.#images = options.images;
    this.#modelName = options.modelName;
    this.#maxWait = options.maxWait ?? DEFAULT_MAX_WAIT;
    this.#clock = options.clock ?? systemClock;
  }

  /** Under 2 KB: some clients cut what is longer. */
  get description(): string {
    const modelName = typeof this.#modelName === "string" ? this.#modelName : this.#modelName();
    return describeGenerateImage(modelName, this.#images.ttlSeconds);
  }

  /**
   * Draws the picture, stores it, and gives its URL.
   *
   * @throws {MCPImageError} whatever the image service throws
   */
  async execute(params: GenerateImageParams, options: GenerateOptions): Promise<GenerateImageResponse> {
    return this.#images.generate(toGenerateImageRequest(params), options);
  }

  register(server: McpServer, connection: McpConnection): void {
    server.registerTool(
      this.name,
      {
        title: "Generate image",
        description: this.description,
        inputSchema: this.#inputSchema,
        outputSchema: this.#outputSchema,
        annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
      },
      async (argumentsOfCall, context) => this.#call(argumentsOfCall, context, connection),
    );
  }

  async #call(argumentsOfCall: unknown, context: ServerContext, connection: McpConnection): Promise<CallToolResult> {
    const { era, clientId } = connection;
    // NOTE: the signal fires also after an answer was given, when the server of the request closes.
    const { _meta, notify, signal } = context.mcpReq;
    const progressToken = _meta?.progressToken;
    // Up to 2025-11-25 a lost connection is no cancel; since 2026-07-28 it is one, and `signal` says so.
    const lostSignal = era === "legacy" ? context.http?.req?.signal : undefined;
    let reporter: ProgressReporter | undefined;
    try {
      const params = parseGenerateImageParams(argumentsOfCall);
      if (progressToken !== undefined) {
        reporter = new ProgressReporter({
          clock: this.#clock,
          send: async (message) => notify({ method: "notifications/progress", params: { progressToken, ...message } }),
        });
        reporter.start();
      }
      const response = await this.execute(params, {
        clientId,
        caller: connection.caller(context),
        signal,
        ...toMaxWait(this.#maxWait, progressToken !== undefined),
        ...(lostSignal && { lostSignal }),
        ...(reporter && { onProgress: reporter.report }),
      });
      return toImageResult(response);
    } catch (error) {
      // The image service has logged its own failures.
      if (!(error instanceof MCPImageError)) logger.error("tool_failed", { tool: NAME, error });
      return toErrorResult(toMcpImageError(error));
    } finally {
      await reporter?.stop();
    }
  }
}
