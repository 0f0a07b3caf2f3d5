import type { CallToolResult, ContentBlock } from "@modelcontextprotocol/server";
import type { ImageService } from "../images/image-service.ts";
import type { PreviewMaker, PreviewSize } from "../images/preview.ts";
import type { GenerateImageResponse } from "../images/image-job.ts";
import { getLogger } from "../logging/logger.ts";

/** What of the picture itself a result carries beside its URL. */
export type PreviewMode = "off" | PreviewSize;

export interface ImageResultsOptions {
  /** Needed for previews. */
  readonly images?: Pick<ImageService, "getImage">;
  readonly previews?: Pick<PreviewMaker, "make">;
  /** Of every result with pictures, unless a call says otherwise. Default: off. */
  readonly preview?: PreviewMode;
  /** Some clients lose the whole result over a link. Default: true. */
  readonly hasResourceLink?: boolean;
}

const logger = getLogger("mcp");

/** Makes what clients are told of pictures, in the forms that at least one of them shows. */
export class ImageResults {
  readonly preview: PreviewMode;
  readonly #options: ImageResultsOptions;

  constructor(options: ImageResultsOptions = {}) {
    this.preview = options.preview ?? "off";
    this.#options = options;
  }

  /** The answer of a generation: the same small JSON as structured content and as text, and what shows the picture. */
  async toImageResult(response: GenerateImageResponse, mode: PreviewMode = this.preview): Promise<CallToolResult> {
    const { url, image_id, metadata } = response;
    return {
      content: [{ type: "text", text: JSON.stringify(response) }, ...(await this.showImage(response, mode))],
      structuredContent: { url, image_id, metadata },
    };
  }

  /** The URL as Markdown for the clients that draw it, a link, and a preview if one is wanted; never the whole file. */
  async showImage({ url, image_id, metadata }: GenerateImageResponse, mode: PreviewMode): Promise<ContentBlock[]> {
    if (metadata["status"] === "running") {
      const text = `The picture is still being drawn. Call view_image with image_id "${image_id}" to wait for it. It will be at ${url}`;
      return [{ type: "text", text }];
    }
    const { mime_type: mimeType, size } = metadata;
    const preview = mode === "off" ? undefined : await this.toImageBlock(image_id, mode);
    return [
      { type: "text", text: `![Generated image](${url})` },
      ...(this.#options.hasResourceLink === false
        ? []
        : [
            {
              type: "resource_link" as const,
              uri: url,
              name: image_id,
              title: "Generated image",
              ...(typeof mimeType === "string" && { mimeType }),
              ...(typeof size === "number" && { size }),
            },
          ]),
      ...(preview === undefined ? [] : [preview]),
    ];
  }

  /** The picture as content, small enough for every client; `undefined` when that cannot be made here. */
  async toImageBlock(imageId: string, size: PreviewSize): Promise<ContentBlock | undefined> {
    const { images, previews } = this.#options;
    const image = await images?.getImage(imageId);
    if (image === undefined) return undefined;
    const preview = await previews?.make(image, size).catch((error: unknown) => {
      logger.warn("preview_failed", { image_id: imageId, error });
      return undefined;
    });
    if (preview === undefined) return undefined;
    return {
      type: "image",
      data: Buffer.from(preview.imageData).toString("base64"),
      mimeType: preview.mimeType,
      annotations: { audience: ["user", "assistant"], priority: 1 },
    };
  }
}
