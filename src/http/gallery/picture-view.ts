import type { JsonValue } from "../../core/json.ts";
import type { ImageMetadata } from "../../images/image-service.ts";

/** What the pages show of a picture. Metadata came from outside once: each value is what it should be, or absent. */
export interface PictureView {
  readonly imageId: string;
  /** Empty when nobody knows it. */
  readonly prompt: string;
  readonly negativePrompt: string | undefined;
  /** Pixels. */
  readonly width: number | undefined;
  /** Pixels. */
  readonly height: number | undefined;
  readonly seed: number | undefined;
  readonly steps: number | undefined;
  readonly guidance: number | undefined;
  readonly modelName: string | undefined;
  readonly createdAt: string;
  readonly expiresAt: string | undefined;
  readonly isKept: boolean;
  readonly sizeBytes: number;
  readonly generationSeconds: number | undefined;
  readonly queueWaitSeconds: number | undefined;
  readonly warnings: readonly string[];
  /** Without the dot. */
  readonly extension: string;
}

const MAX_SIDE = 16_384;
const EXTENSIONS: Readonly<Record<string, string>> = { png: "png", jpeg: "jpg", webp: "webp" };

export function toPictureView(metadata: ImageMetadata): PictureView {
  const text = (key: string): string | undefined => asText(metadata[key]);
  const number = (key: string): number | undefined => asNumber(metadata[key]);
  const { warnings } = metadata;
  return {
    imageId: metadata.image_id,
    prompt: text("prompt") ?? "",
    negativePrompt: text("negative_prompt"),
    width: asSide(metadata["width"]),
    height: asSide(metadata["height"]),
    seed: number("seed"),
    steps: number("num_inference_steps"),
    guidance: number("guidance_scale"),
    modelName: text("model_name"),
    createdAt: metadata.created_at,
    expiresAt: metadata.expires_at ?? undefined,
    isKept: metadata["kept"] === true,
    sizeBytes: metadata.size,
    generationSeconds: number("generation_seconds"),
    queueWaitSeconds: number("queue_wait_seconds"),
    warnings: Array.isArray(warnings) ? warnings.map(asText).filter((warning) => warning !== undefined) : [],
    extension: EXTENSIONS[metadata.format] ?? metadata.format,
  };
}

/** What shape a picture has, as a class. */
export function toShape({ width = 1, height = 1 }: PictureView): "wide" | "tall" | "square" {
  if (width > height * 1.05) return "wide";
  return height > width * 1.05 ? "tall" : "square";
}

function asText(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function asNumber(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function asSide(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= MAX_SIDE ? value : undefined;
}
