import * as z from "zod";
import { toPublicError } from "../core/errors.ts";
import { ASPECT_RATIOS, toSizeOfRatio } from "../images/aspect-ratio.ts";
import { ALLOWED_SETTINGS, ImageOverrides, toSettings } from "../images/generate-image-params.ts";
import type { ImageProgress } from "../images/image-job.ts";
import type { ImageMetadata, ImageService } from "../images/image-service.ts";
import { MAX_VARIATIONS, type VariationOutcome } from "../images/variations.ts";
import { GENERATION_DEFAULTS } from "../kserve/model-profiles.ts";
import { createTool, type ToolTiming } from "./create-tool.ts";
import { describeLifetime } from "./generate-image-description.ts";
import { IMAGE_ID_ALLOWED, imageIdArgument, unknownImage } from "./image-id-argument.ts";
import type { ImageResults } from "./image-results.ts";
import type { McpFeature } from "./mcp-tool.ts";
import { toolIcons } from "./tool-icons.ts";
import { toErrorResult } from "./tool-result.ts";

export interface VaryImageToolOptions {
  readonly images: Pick<ImageService, "for" | "ttlSeconds">;
  readonly results: ImageResults;
}

const MAX_SEED = 2 ** 32 - 1;

const schema = z.strictObject({
  image_id: imageIdArgument,
  count: z.int().min(1).max(MAX_VARIATIONS).optional().meta({ description: "How many pictures.", default: 1 }),
  seeds: z
    .array(z.int().min(0).max(MAX_SEED))
    .min(1)
    .max(MAX_VARIATIONS)
    .optional()
    .describe("One for each picture; absent: random."),
  prompt: ImageOverrides.shape.prompt.describe("Replaces the prompt."),
  negative_prompt: ImageOverrides.shape.negative_prompt.describe("Replaces the negative prompt."),
  aspect_ratio: z
    .enum(ASPECT_RATIOS)
    .optional()
    .describe("Another form with about as many pixels, instead of width and height."),
  width: z.int().min(64).max(2048).optional(),
  height: z.int().min(64).max(2048).optional(),
  num_inference_steps: z.int().min(1).max(200).optional(),
  guidance_scale: z.number().min(1).max(20).optional(),
  preview: z.enum(["off", "thumb", "full"]).optional().describe("Whether the answer carries the pictures, made small."),
});

const output = z.looseObject({
  images: z.array(z.looseObject({ url: z.string(), image_id: z.string(), metadata: z.looseObject({}) })),
  errors: z
    .array(z.looseObject({ error: z.string() }))
    .optional()
    .describe("Why there are fewer pictures."),
});

/** The tool `vary_image`: draws a stored picture again, with new seeds or other settings. */
export function createVaryImageTool({ images, results }: VaryImageToolOptions, timing: ToolTiming): McpFeature {
  return createTool(
    {
      name: "vary_image",
      title: "Vary image",
      description: () =>
        `Draws a stored picture again: the same settings with new seeds (count, up to ${MAX_VARIATIONS}), or with what you ` +
        "change (prompt, aspect_ratio, steps …). One picture with a change keeps the seed, so that it stays alike. Each " +
        `is stored as a new picture. ${describeLifetime(images.ttlSeconds)} An answer with metadata.status running has ` +
        "the id for view_image.",
      icons: toolIcons("vary_image"),
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
      scope: "images:generate",
      view: "gallery",
      schema,
      allowed: {
        ...ALLOWED_SETTINGS,
        image_id: IMAGE_ID_ALLOWED,
        count: `an integer from 1 to ${MAX_VARIATIONS}`,
        seeds: `1 to ${MAX_VARIATIONS} integers from 0 to ${MAX_SEED}`,
        aspect_ratio: `one of ${ASPECT_RATIOS.join(", ")}`,
        preview: "off, thumb or full",
      },
      output,
      isSlow: true,
      run: async ({ image_id, count, seeds, aspect_ratio, preview, ...settings }, call) => {
        const mine = images.for(call.caller);
        const size = aspect_ratio && toSizeOfRatio(aspect_ratio, toSize(await mine.getMetadata(image_id)));
        const variation = {
          ...(count !== undefined && { count }),
          ...(seeds !== undefined && { seeds }),
          overrides: { ...toSettings(settings), ...size },
        };
        const onProgress = call.onProgress && followAll(count ?? seeds?.length ?? 1, call.onProgress);
        const outcomes = await mine.vary(image_id, variation, { ...call, ...(onProgress && { onProgress }) });
        if (outcomes === undefined) throw unknownImage();
        return toResult(outcomes, results, preview ?? results.preview);
      },
    },
    timing,
  );
}

function toSize(metadata: ImageMetadata | undefined): { width: number; height: number } {
  const width = metadata?.["width"];
  const height = metadata?.["height"];
  return {
    width: typeof width === "number" ? width : GENERATION_DEFAULTS.width,
    height: typeof height === "number" ? height : GENERATION_DEFAULTS.height,
  };
}

async function toResult(
  outcomes: readonly VariationOutcome[],
  results: ImageResults,
  preview: "off" | "thumb" | "full",
) {
  const responses = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.response] : []));
  const errors = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error]));
  const [firstError] = errors;
  if (responses.length === 0 && firstError !== undefined) return toErrorResult(firstError);
  const document = {
    images: responses.map(({ url, image_id, metadata }) => ({ url, image_id, metadata })),
    ...(errors.length > 0 && { errors: errors.map((error) => ({ ...toPublicError(error) })) }),
  };
  // Eight large previews would not fit into one result.
  const size = preview === "full" && responses.length > 1 ? "thumb" : preview;
  const shown = await Promise.all(responses.map(async (response) => results.showImage(response, size)));
  return {
    content: [{ type: "text" as const, text: JSON.stringify(document) }, ...shown.flat()],
    structuredContent: document,
  };
}

/** Of several jobs, one after the other, tells the progress of whichever is being drawn. */
function followAll(count: number, tell: (progress: ImageProgress) => void): (progress: ImageProgress) => void {
  let isDrawing = false;
  return (progress) => {
    if (count > 1 && isDrawing && progress.phase === "queued") return;
    isDrawing ||= progress.phase !== "queued";
    tell(progress);
  };
}
