import type { Clock } from "../../src/core/clock.ts";
import { KServeError } from "../../src/core/errors.ts";
import { ImageService } from "../../src/images/image-service.ts";
import { PictureConverter } from "../../src/images/picture-converter.ts";
import { PreviewMaker } from "../../src/images/preview.ts";
import type { GeneratedImage, GenerateImageOptions, GenerateImageRequest } from "../../src/kserve/generated-image.ts";
import { createMcpServerFactory } from "../../src/mcp/create-mcp-server-factory.ts";
import { GenerateImageTool } from "../../src/mcp/generate-image-tool.ts";
import { ImagePrompts } from "../../src/mcp/image-prompts.ts";
import { ImageResources } from "../../src/mcp/image-resources.ts";
import { ImageResults, type PreviewMode } from "../../src/mcp/image-results.ts";
import { ImageSkills } from "../../src/mcp/image-skills.ts";
import { ImageTasks } from "../../src/mcp/image-tasks.ts";
import { createImageTools } from "../../src/mcp/image-tools.ts";
import type { MaxWait } from "../../src/mcp/max-wait.ts";
import { FairQueue } from "../../src/queue/fair-queue.ts";
import { MockKServeClient } from "../../src/testing/mock-kserve-client.ts";
import { MockStorage } from "../../src/testing/mock-storage.ts";

/** A mock whose jobs wait for `release()`, as those of a slow model do. */
export class HeldGenerator extends MockKServeClient {
  readonly cancelled: GenerateImageRequest[] = [];
  #held = false;
  #open = Promise.withResolvers<void>();
  #started = Promise.withResolvers<void>();

  hold(): void {
    this.#held = true;
    this.#open = Promise.withResolvers();
    this.#started = Promise.withResolvers();
  }

  release(): void {
    this.#held = false;
    this.#open.resolve();
  }

  /** Resolves when a job has come in since `hold()`. */
  async started(): Promise<void> {
    return this.#started.promise;
  }

  override async generateImage(
    request: GenerateImageRequest,
    options: GenerateImageOptions = {},
  ): Promise<GeneratedImage> {
    this.#started.resolve();
    if (this.#held) {
      const cancelled = Promise.withResolvers<"cancelled">();
      options.signal?.addEventListener("abort", () => cancelled.resolve("cancelled"), { once: true });
      if ((await Promise.race([this.#open.promise, cancelled.promise])) === "cancelled") {
        this.cancelled.push(request);
        throw new KServeError("cancelled", "Cannot generate the image: the caller gave up");
      }
    }
    return super.generateImage(request, options);
  }
}

export interface McpPartsOptions {
  readonly depth?: number;
  readonly ttlSeconds?: number;
  readonly clock?: Clock;
  readonly maxWait?: MaxWait;
  readonly preview?: PreviewMode;
  readonly hasResourceLink?: boolean;
  readonly hasTasks?: boolean;
}

/** Everything below the transport, with a mock model and storage. */
export function createMcpParts(options: McpPartsOptions = {}) {
  const generator = new HeldGenerator();
  const storage = new MockStorage();
  const queue = new FairQueue({ concurrency: 1, depth: options.depth ?? 8, timeoutMs: 60_000 });
  const images = new ImageService({ storage, generator, queue, ttlSeconds: options.ttlSeconds ?? 3600 });
  const timing = {
    ...(options.clock && { clock: options.clock }),
    ...(options.maxWait && { maxWait: options.maxWait }),
  };
  const previews = new PreviewMaker({ converter: new PictureConverter() });
  const results = new ImageResults({
    images,
    previews,
    ...(options.preview && { preview: options.preview }),
    hasResourceLink: options.hasResourceLink ?? true,
  });
  const tasks = options.hasTasks ? new ImageTasks({ images, results, ...timing }) : undefined;
  const tool = new GenerateImageTool({ images, results, modelName: "stable-diffusion", tasks, ...timing });
  const features = [
    tool,
    ...createImageTools({ images, results, ...timing }),
    new ImageResources({ images, previews, ...(options.clock && { clock: options.clock }) }),
    new ImagePrompts(),
    new ImageSkills(),
    ...(tasks ? [tasks] : []),
  ];
  const build = createMcpServerFactory({ version: "1.2.3", features });
  return { generator, storage, queue, images, tool, build, newsSources: tasks ? [tasks.news] : [] };
}
