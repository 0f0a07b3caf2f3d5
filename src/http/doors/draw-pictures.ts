import { toMcpImageError, MCPImageError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { GenerateImageRequest } from "../../kserve/generated-image.ts";
import type { OwnedImages } from "../../images/owned-images.ts";
import { getLogger } from "../../logging/logger.ts";
import type { Exchange } from "../exchange.ts";

export interface DrawnPicture {
  readonly imageId: string;
  readonly url: string;
  readonly metadata: JsonObject;
}

export type DoorImages = Pick<OwnedImages, "generate" | "getImage" | "listJobs">;

const logger = getLogger("http");

/**
 * Draws one picture after the other, so that one call takes one place in the queue. When a later one fails, those
 * before it are the answer: they are stored. A client that goes away ends what has not begun, and cancels the rest.
 *
 * @throws {MCPImageError} what the first picture failed with
 */
export async function drawPictures(
  exchange: Exchange,
  images: DoorImages,
  requests: readonly GenerateImageRequest[],
): Promise<readonly DrawnPicture[]> {
  const gone = new AbortController();
  const { response, caller } = exchange;
  const leave = (): void => gone.abort();
  response.once("close", leave);
  const drawn: DrawnPicture[] = [];
  try {
    for (const request of requests) {
      if (gone.signal.aborted) throw new MCPImageError("cancelled", "The client went away");
      const {
        url,
        image_id: imageId,
        metadata,
      } = await images.generate(request, { clientId: caller.limitId, signal: gone.signal });
      drawn.push({ imageId, url, metadata });
    }
  } catch (error) {
    if (drawn.length === 0) throw error;
    logger.warn("pictures_missing", { wanted: requests.length, drawn: drawn.length, error: toMcpImageError(error) });
  } finally {
    response.off("close", leave);
  }
  return drawn;
}

/** The bytes of a picture that was just drawn, as base64. */
export async function loadBase64(images: DoorImages, { imageId }: DrawnPicture): Promise<string> {
  const image = await images.getImage(imageId);
  if (image === undefined) throw new MCPImageError("image_not_found", "The picture is gone already");
  return image.imageData.toString("base64");
}
