import * as z from "zod";
import { MCPImageError } from "../core/errors.ts";
import { parseImageId } from "../core/image-id.ts";

/** The argument that names a picture. */
export const imageIdArgument = z
  .string()
  .refine((text) => parseImageId(text) !== undefined)
  .describe("Id of the picture, as generate_image or list_images returned it.");

/** What that argument may be, as a fault says it. */
export const IMAGE_ID_ALLOWED = "an id as generate_image returned it, like img_01m8x0a0zz7kq3v5wd2h9c4tnb";

export function unknownImage(): MCPImageError {
  return new MCPImageError("image_not_found", "No such image");
}
