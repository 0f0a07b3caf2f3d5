import { systemClock, type Clock } from "../core/clock.ts";
import type { ImageService } from "../images/image-service.ts";
import { createDeleteImageTool } from "./delete-image-tool.ts";
import { createGetImageTool } from "./get-image-tool.ts";
import type { ImageResults } from "./image-results.ts";
import { createKeepImageTool } from "./keep-image-tool.ts";
import { createListImagesTool } from "./list-images-tool.ts";
import { DEFAULT_MAX_WAIT, type MaxWait } from "./max-wait.ts";
import type { McpFeature } from "./mcp-tool.ts";
import { createVaryImageTool } from "./vary-image-tool.ts";
import { createViewImageTool } from "./view-image-tool.ts";

export interface ImageToolsOptions {
  readonly images: ImageService;
  readonly results: ImageResults;
  readonly maxWait?: MaxWait;
  readonly clock?: Clock;
}

/** The tools for pictures that are there or on their way, beside `generate_image`. */
export function createImageTools(options: ImageToolsOptions): readonly McpFeature[] {
  const { images, results, maxWait = DEFAULT_MAX_WAIT, clock = systemClock } = options;
  const timing = { maxWait, clock };
  return [
    createViewImageTool({ images, results }, timing),
    createListImagesTool({ images }, timing),
    createGetImageTool({ images, results }, timing),
    createVaryImageTool({ images, results }, timing),
    createKeepImageTool({ images }, timing),
    createDeleteImageTool({ images }, timing),
  ];
}
