import * as z from "zod";
import type { ImageService } from "../images/image-service.ts";
import { createTool, type ToolTiming } from "./create-tool.ts";
import { IMAGE_ID_ALLOWED, imageIdArgument, unknownImage } from "./image-id-argument.ts";
import type { McpFeature } from "./mcp-tool.ts";
import { requireManager } from "./require-manager.ts";
import { toolIcons } from "./tool-icons.ts";
import { toJsonResult } from "./tool-result.ts";

export interface DeleteImageToolOptions {
  readonly images: Pick<ImageService, "for">;
}

const schema = z.strictObject({ image_id: imageIdArgument });
const output = z.looseObject({ image_id: z.string(), deleted: z.literal(true) });

/** The tool `delete_image`: deletes a picture, or ends the job that draws it. */
export function createDeleteImageTool({ images }: DeleteImageToolOptions, timing: ToolTiming): McpFeature {
  return createTool(
    {
      name: "delete_image",
      title: "Delete image",
      description:
        "Deletes a picture for good, or stops one that is still being drawn. Only when the user asks for it: pictures " +
        "expire by themselves.",
      icons: toolIcons("delete_image"),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
      scope: "images:delete",
      schema,
      allowed: { image_id: IMAGE_ID_ALLOWED },
      output,
      run: async ({ image_id }, call) => {
        requireManager(call);
        if (!(await images.for(call.caller).deleteImage(image_id))) throw unknownImage();
        return toJsonResult({ image_id, deleted: true });
      },
    },
    timing,
  );
}
