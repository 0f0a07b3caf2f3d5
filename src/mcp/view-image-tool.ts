import * as z from "zod";
import type { ImageService } from "../images/image-service.ts";
import { createTool, type ToolTiming } from "./create-tool.ts";
import { IMAGE_ID_ALLOWED, imageIdArgument, unknownImage } from "./image-id-argument.ts";
import type { ImageResults } from "./image-results.ts";
import type { McpFeature } from "./mcp-tool.ts";
import { toolIcons } from "./tool-icons.ts";

export interface ViewImageToolOptions {
  readonly images: Pick<ImageService, "for">;
  readonly results: ImageResults;
}

const schema = z.strictObject({
  image_id: imageIdArgument,
  preview: z
    .enum(["thumb", "full"])
    .optional()
    .meta({ description: "thumb: at most 512 pixels. full: at most 1024.", default: "thumb" }),
});

/**
 * The tool `view_image`: the picture as an image block and nothing else, as clients that are given structured content
 * drop images. Waits for a picture that is being drawn.
 */
export function createViewImageTool({ images, results }: ViewImageToolOptions, timing: ToolTiming): McpFeature {
  return createTool(
    {
      name: "view_image",
      title: "View image",
      description:
        "Shows a stored picture: returns it as an image that you can see, made smaller if need be. Waits for a picture " +
        "that is still being drawn; if the answer says that it still is, call view_image again with the same image_id. " +
        "To show the picture to the user, its URL as Markdown is enough.",
      icons: toolIcons("view_image"),
      annotations: { readOnlyHint: true, openWorldHint: false },
      scope: "images:read",
      schema,
      allowed: { image_id: IMAGE_ID_ALLOWED, preview: "thumb or full" },
      isSlow: true,
      run: async ({ image_id, preview = "thumb" }, call) => {
        const found = await images.for(call.caller).waitForImage(image_id, call);
        if (found === undefined) throw unknownImage();
        if (found.status === "failed") throw found.error;
        if (found.status === "running") return { content: await results.showImage(found.response, "off") };
        const block = await results.toImageBlock(image_id, preview);
        if (block !== undefined) return { content: [block] };
        const text = `The picture cannot be made small enough to be shown here. It is at ${found.metadata.url}`;
        return { content: [{ type: "text", text }] };
      },
    },
    timing,
  );
}
