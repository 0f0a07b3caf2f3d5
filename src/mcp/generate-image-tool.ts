import type { McpServer } from "@modelcontextprotocol/server";
import { systemClock, type Clock } from "../core/clock.ts";
import type { GenerateOptions } from "../images/image-jobs.ts";
import type { ImageService } from "../images/image-service.ts";
import { advertiseOnly, memoSchema } from "./advertised-schema.ts";
import { describeGenerateImage } from "./generate-image-description.ts";
import {
  GenerateImageParams,
  GenerateImageResponse,
  parseGenerateImageParams,
  toGenerateImageRequest,
} from "../images/generate-image-params.ts";
import { toAppMeta } from "./image-app.ts";
import type { ImageTasks } from "./image-tasks.ts";
import type { McpConnection, McpFeature, ToolFacts } from "./mcp-tool.ts";
import { ImageResults } from "./image-results.ts";
import { DEFAULT_MAX_WAIT, type MaxWait } from "./max-wait.ts";
import { runToolCall } from "./tool-call.ts";
import { toolIcons } from "./tool-icons.ts";

export interface GenerateImageToolOptions {
  readonly images: Pick<ImageService, "generate" | "ttlSeconds">;
  /** The model really served; a function where it is known only later. */
  readonly modelName: string | (() => string);
  /** Default: without previews, with a link. */
  readonly results?: ImageResults;
  readonly maxWait?: MaxWait;
  /** Answers clients that know tasks with one. Default: nobody. */
  readonly tasks?: Pick<ImageTasks, "isWanted" | "toCreatedResult"> | undefined;
  readonly clock?: Clock;
}

const NAME = "generate_image";
const ICONS = toolIcons(NAME);

/** The tool `generate_image`: a prompt becomes a stored picture with a URL. */
export class GenerateImageTool implements McpFeature {
  readonly name = NAME;
  readonly parameters = GenerateImageParams;
  readonly response = GenerateImageResponse;
  readonly title = "Generate image";
  readonly slowTools = [NAME];
  readonly toolScopes = { [NAME]: "images:generate" } as const;
  readonly #images: Pick<ImageService, "generate" | "ttlSeconds">;
  readonly #modelName: string | (() => string);
  readonly #results: ImageResults;
  readonly #maxWait: MaxWait;
  readonly #tasks: GenerateImageToolOptions["tasks"];
  readonly #clock: Clock;
  readonly #inputSchema = advertiseOnly(GenerateImageParams);
  readonly #outputSchema = memoSchema(GenerateImageResponse);

  constructor(options: GenerateImageToolOptions) {
    this.#images = options.images;
    this.#modelName = options.modelName;
    this.#results = options.results ?? new ImageResults();
    this.#maxWait = options.maxWait ?? DEFAULT_MAX_WAIT;
    this.#tasks = options.tasks;
    this.#clock = options.clock ?? systemClock;
  }

  /** Under 2 KB: some clients cut what is longer. */
  get description(): string {
    const modelName = typeof this.#modelName === "string" ? this.#modelName : this.#modelName();
    return describeGenerateImage(modelName, this.#images.ttlSeconds);
  }

  get tool(): ToolFacts {
    return this;
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
        title: this.title,
        description: this.description,
        icons: ICONS,
        inputSchema: this.#inputSchema,
        outputSchema: this.#outputSchema,
        annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
        _meta: toAppMeta("viewer"),
      },
      async (argumentsOfCall, context) =>
        runToolCall(
          { tool: NAME, context, connection, maxWait: this.#maxWait, clock: this.#clock },
          async ({ startProgress, ...options }) => {
            const params = parseGenerateImageParams(argumentsOfCall);
            const tasks = this.#tasks?.isWanted(context, connection) ? this.#tasks : undefined;
            if (tasks === undefined) startProgress();
            const response = await this.execute(params, tasks ? { ...options, maxWaitMs: 0 } : options);
            const isRunning = response.metadata["status"] === "running";
            return tasks && isRunning ? tasks.toCreatedResult(response) : this.#results.toImageResult(response);
          },
        ),
    );
  }
}
