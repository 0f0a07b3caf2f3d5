import type { JsonObject, JsonValue } from "../core/json.ts";
import { nextTurn } from "../core/next-turn.ts";
import { systemRandom, type Random } from "../core/random.ts";
import type {
  GeneratedImage,
  GenerateImageOptions,
  GenerateImageRequest,
  ImageGenerator,
} from "../kserve/generated-image.ts";
import { markPicture, type ImageMark } from "./mark-image.ts";
import type { PictureSigner } from "./signing/picture-signer.ts";

export interface DrawImageOptions extends GenerateImageOptions {
  readonly random?: Random;
  /** False leaves the prompts out of what the picture itself tells. Default true. */
  readonly embedsPrompt?: boolean;
  /** Signs the picture, its mark included. Default: it is not signed. */
  readonly signer?: PictureSigner | undefined;
}

/** A picture ready to be stored, with what is known of its making. */
export interface DrawnImage {
  /** Carries its parameters and its origin. */
  readonly imageData: Buffer;
  /** To be called when nobody reads `imageData` any more; without it the memory is the garbage collector's. */
  readonly release: () => void;
  readonly metadata: JsonObject;
}

/**
 * Draws a seed if there is none, generates, marks the picture, and signs it.
 *
 * @throws {KServeError}
 * @throws {MCPImageError} `signing_failed`
 */
export async function drawImage(
  generator: ImageGenerator,
  request: GenerateImageRequest,
  options: DrawImageOptions = {},
): Promise<DrawnImage> {
  const { random = systemRandom, embedsPrompt = true, signer, ...generateOptions } = options;
  const image = await generator.generateImage({ ...request, seed: request.seed ?? random.uint32() }, generateOptions);
  const metadata = toJsonObject({
    ...image.metadata,
    seed_report: { ...image.metadata.seed_report, requested: request.seed ?? null },
  });
  const release = (): void => image.memory?.release();
  const marked = mark(image, embedsPrompt);
  if (signer === undefined) return { imageData: marked, release, metadata };
  await nextTurn(); // the signer copies the picture and hashes it
  const imageData = await signer.sign({ format: image.format, bytes: marked }, image.metadata.model_name);
  if (imageData === marked) return { imageData, release, metadata };
  release();
  return { imageData, release: () => undefined, metadata };
}

function mark(image: GeneratedImage, embedsPrompt: boolean): Buffer {
  const { imageData, format, memory, metadata } = image;
  const facts: ImageMark = {
    prompt: embedsPrompt ? metadata.prompt : undefined,
    negativePrompt: metadata.negative_prompt,
    numInferenceSteps: metadata.num_inference_steps,
    guidanceScale: metadata.guidance_scale,
    seed: metadata.seed,
    width: metadata.width,
    height: metadata.height,
    modelName: metadata.model_name,
  };
  return markPicture(format, imageData, facts, memory);
}

/** The object without the keys whose value is `undefined`, for which JSON has no word. */
function toJsonObject(fields: Readonly<Record<string, unknown>>): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
  );
}
