import * as z from "zod";
import type { ImageMetadata, ImageService } from "../images/image-service.ts";
import { isText } from "../images/checked-params.ts";
import { createTool, type ToolTiming } from "./create-tool.ts";
import type { McpFeature } from "./mcp-tool.ts";
import { toolIcons } from "./tool-icons.ts";
import { toJsonResult } from "./tool-result.ts";

export interface ListImagesToolOptions {
  readonly images: Pick<ImageService, "for">;
}

const MAX_LIMIT = 50;
const DEFAULT_LIMIT = 20;
const MAX_SEARCH_LENGTH = 200;
/** Fifty entries must fit into a result of 25,000 tokens. */
const MAX_PROMPT_SHOWN = 200;

const schema = z.strictObject({
  search: z
    .string()
    .min(1)
    .max(MAX_SEARCH_LENGTH)
    .refine(isText)
    .optional()
    .describe("Only pictures whose prompt has every one of these words."),
  limit: z.int().min(1).max(MAX_LIMIT).optional().meta({ default: DEFAULT_LIMIT }),
  cursor: z.string().max(100).optional().describe("next_cursor of the page before."),
});

const output = z.looseObject({
  images: z.array(z.looseObject({ image_id: z.string(), url: z.string(), created_at: z.string() })),
  next_cursor: z.string().optional(),
});

/** The tool `list_images`: what is stored, newest first, in short. */
export function createListImagesTool({ images }: ListImagesToolOptions, timing: ToolTiming): McpFeature {
  return createTool(
    {
      name: "list_images",
      title: "List images",
      description:
        "Lists the stored pictures, newest first, with id, URL, prompt, seed and size; expired ones are gone. When " +
        "next_cursor is present, pass it as cursor for the next page, even if this one is empty. A long prompt is cut " +
        "off: get_image has all of it.",
      icons: toolIcons("list_images"),
      annotations: { readOnlyHint: true, openWorldHint: false },
      scope: "images:read",
      view: "gallery",
      schema,
      allowed: {
        search: `text of 1 to ${MAX_SEARCH_LENGTH} characters`,
        limit: `an integer from 1 to ${MAX_LIMIT}`,
        cursor: "next_cursor of an earlier answer",
      },
      output,
      run: async ({ search, limit = DEFAULT_LIMIT, cursor }, { caller, signal }) => {
        const page = await images.for(caller).listImages({
          limit,
          signal,
          ...(search !== undefined && { text: search }),
          ...(cursor !== undefined && { cursor }),
        });
        return toJsonResult({
          images: page.images.map(toEntry),
          ...(page.nextCursor !== undefined && { next_cursor: page.nextCursor }),
        });
      },
    },
    timing,
  );
}

function toEntry(metadata: ImageMetadata): Record<string, unknown> {
  const { image_id, url, created_at, expires_at, kept, prompt, seed, width, height } = metadata;
  return {
    image_id,
    url,
    ...(typeof prompt === "string" && { prompt: shorten(prompt) }),
    ...(seed !== undefined && { seed }),
    ...(width !== undefined && height !== undefined && { width, height }),
    created_at,
    ...(expires_at !== null && { expires_at }),
    ...(kept === true && { kept }),
  };
}

function shorten(prompt: string): string {
  const characters = Array.from(prompt);
  return characters.length <= MAX_PROMPT_SHOWN ? prompt : `${characters.slice(0, MAX_PROMPT_SHOWN - 1).join("")}…`;
}
