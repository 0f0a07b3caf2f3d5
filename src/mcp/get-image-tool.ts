import * as z from "zod";
import { GenerateImageResponse } from "../images/generate-image-params.ts";
import type { ImageService } from "../images/image-service.ts";
import { createTool, type ToolTiming } from "./create-tool.ts";
import { IMAGE_ID_ALLOWED, imageIdArgument, unknownImage } from "./image-id-argument.ts";
import type { ImageResults } from "./image-results.ts";
import type { McpFeature } from "./mcp-tool.ts";
import { toolIcons } from "./tool-icons.ts";

export interface GetImageToolOptions {
  readonly images: Pick<ImageService, "for">;
  readonly results: ImageResults;
}

const schema = z.strictObject({ image_id: imageIdArgument });
const output = z.looseObject({ url: z.string(), image_id: z.string(), metadata: GenerateImageResponse.shape.metadata });

/** The tool `get_image`: what is known of a picture, in the shape of the answer that made it. */
export function createGetImageTool({ images, results }: GetImageToolOptions, timing: ToolTiming): McpFeature {
  return createTool(
    {
      name: "get_image",
      title: "Get image facts",
      description:
        "Returns the URL and all facts of a picture (prompt, seed, size, model, when it expires), not the picture " +
        "itself. Answers at once: metadata.status is running while it is being drawn.",
      icons: toolIcons("get_image"),
      annotations: { readOnlyHint: true, openWorldHint: false },
      scope: "images:read",
      view: "viewer",
      schema,
      allowed: { image_id: IMAGE_ID_ALLOWED },
      output,
      run: async ({ image_id }, { caller, signal }) => {
        const mine = images.for(caller);
        const metadata = await mine.getMetadata(image_id, signal);
        if (metadata !== undefined) return results.toImageResult({ url: metadata.url, image_id, metadata }, "off");
        const pending = await mine.findPending(image_id, signal);
        if (pending === undefined) throw unknownImage();
        if (pending.status === "failed") throw pending.error;
        return results.toImageResult(pending.response, "off");
      },
    },
    timing,
  );
}
