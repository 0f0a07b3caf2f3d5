import * as z from "zod";
import type { ImageService } from "../images/image-service.ts";
import { createTool, type ToolTiming } from "./create-tool.ts";
import { describeLifetime } from "./generate-image-description.ts";
import { IMAGE_ID_ALLOWED, imageIdArgument, unknownImage } from "./image-id-argument.ts";
import type { McpFeature } from "./mcp-tool.ts";
import { requireManager } from "./require-manager.ts";
import { toolIcons } from "./tool-icons.ts";
import { toJsonResult } from "./tool-result.ts";

export interface KeepImageToolOptions {
  readonly images: Pick<ImageService, "for" | "ttlSeconds">;
}

const schema = z.strictObject({
  image_id: imageIdArgument,
  keep: z.boolean().optional().meta({ description: "false lets the picture expire again.", default: true }),
});
const output = z.looseObject({
  image_id: z.string(),
  kept: z.boolean(),
  // The description of the text keeps zod from writing two types at once, which not every client knows.
  expires_at: z.string().describe("The time, as in RFC 3339.").nullable().describe("null: never."),
});

/** The tool `keep_image`: exempts a picture from its time to live, and back. */
export function createKeepImageTool({ images }: KeepImageToolOptions, timing: ToolTiming): McpFeature {
  return createTool(
    {
      name: "keep_image",
      title: "Keep image",
      description: `Keeps a picture from expiring, so that its URL stays good, or lets it expire again. ${describeLifetime(images.ttlSeconds)}`,
      icons: toolIcons("keep_image"),
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
      scope: "images:delete",
      schema,
      allowed: { image_id: IMAGE_ID_ALLOWED, keep: "true or false" },
      output,
      run: async ({ image_id, keep = true }, call) => {
        requireManager(call);
        const metadata = await images.for(call.caller).keepImage(image_id, keep, call.signal);
        if (metadata === undefined) throw unknownImage();
        return toJsonResult({ image_id, kept: keep, expires_at: metadata.expires_at });
      },
    },
    timing,
  );
}
