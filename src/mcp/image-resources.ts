import {
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  ResourceTemplate,
  type McpServer,
  type Resource,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { systemClock, type Clock } from "../core/clock.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import { parseImageId } from "../core/image-id.ts";
import type { ImageMetadata, ImageService } from "../images/image-service.ts";
import type { OwnedImages } from "../images/owned-images.ts";
import type { PreviewMaker } from "../images/preview.ts";
import { inWords } from "./in-words.ts";
import type { McpConnection, McpFeature } from "./mcp-tool.ts";
import { followResources } from "./resource-news.ts";

export interface ImageResourcesOptions {
  readonly images: Pick<ImageService, "for" | "changes">;
  readonly previews: Pick<PreviewMaker, "make">;
  readonly clock?: Clock;
}

const PAGE_SIZE = 50;
const MAX_COMPLETIONS = 100;
const MAX_TITLE = 80;
/** A message of 10 MiB ends a connection over stdio, and base64 makes a third more of the bytes. */
const MAX_RESOURCE_BYTES = 5 * 1024 * 1024;
/** A picture never changes, but it goes: a client may keep it for some minutes. */
const PICTURE_HINT = { ttlMs: 300_000, cacheScope: "private" } as const;
const METADATA_HINT = { ttlMs: 5_000, cacheScope: "private" } as const;

/** The pictures as resources: `image://{id}` the picture, `image://{id}/metadata` what is known of it. */
export class ImageResources implements McpFeature {
  readonly #images: Pick<ImageService, "for" | "changes">;
  readonly #previews: Pick<PreviewMaker, "make">;
  readonly #clock: Clock;

  constructor(options: ImageResourcesOptions) {
    this.#images = options.images;
    this.#previews = options.previews;
    this.#clock = options.clock ?? systemClock;
  }

  register(server: McpServer, connection: McpConnection): void {
    const mine = (context: ServerContext): OwnedImages => this.#images.for(connection.caller(context));
    const complete = { id: async (start: string) => listIds(this.#images.for(connection.caller({})), start) };
    server.registerResource(
      "image",
      new ResourceTemplate("image://{id}", { list: undefined, complete }),
      { title: "Picture", description: "A stored picture, as its file.", cacheHint: PICTURE_HINT },
      async ({ href: uri }, { id }, context) => this.#readImage(mine(context), uri, String(id)),
    );
    server.registerResource(
      "image-metadata",
      new ResourceTemplate("image://{id}/metadata", { list: undefined, complete }),
      {
        title: "Facts of a picture",
        description: "Prompt, seed, size, model and times of a picture, or how far it is.",
        mimeType: "application/json",
        cacheHint: METADATA_HINT,
      },
      async ({ href: uri }, { id }, context) => readMetadata(mine(context), uri, String(id)),
    );
    server.server.setRequestHandler("resources/list", async ({ params }, context) => {
      const cursor = params?.cursor;
      if (cursor !== undefined && parseImageId(cursor) === undefined) {
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, "cursor must be one that a list gave");
      }
      const { images, nextCursor } = await inWords(
        mine(context).listImages({ limit: PAGE_SIZE, ...(cursor !== undefined && { cursor }) }),
      );
      return { resources: images.map(toResource), ...(nextCursor !== undefined && { nextCursor }) };
    });
    if (connection.isLasting) followResources(server, this.#images.changes, this.#clock);
  }

  async #readImage(mine: OwnedImages, uri: string, id: string) {
    const image = await inWords(mine.getImage(id));
    if (image === undefined) throw new ResourceNotFoundError(uri);
    const { imageData, record } = image;
    const whole = { imageData, mimeType: IMAGE_FORMATS[record.format].mimeType };
    const shown = imageData.length > MAX_RESOURCE_BYTES ? await this.#previews.make(image, "full") : whole;
    if (shown === undefined) {
      throw new ProtocolError(ProtocolErrorCode.InternalError, "The picture is too large to be sent here; use its URL");
    }
    const blob = Buffer.from(shown.imageData).toString("base64");
    return { contents: [{ uri, mimeType: shown.mimeType, blob }] };
  }
}

async function readMetadata(mine: OwnedImages, uri: string, id: string) {
  const stored = await inWords(mine.getMetadata(id));
  const pending = stored === undefined ? await inWords(mine.findPending(id)) : undefined;
  const metadata = stored ?? (pending?.status === "running" ? pending.response.metadata : undefined);
  if (metadata === undefined) throw new ResourceNotFoundError(uri);
  return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify(metadata) }] };
}

/** The newest ids that begin so. */
async function listIds(mine: OwnedImages, start: string): Promise<string[]> {
  const { images } = await inWords(mine.listImages({ prefix: start, limit: MAX_COMPLETIONS }));
  return images.map(({ image_id: id }) => id);
}

function toResource({
  image_id: id,
  prompt,
  mime_type: mimeType,
  size,
  created_at: lastModified,
}: ImageMetadata): Resource {
  return {
    uri: `image://${id}`,
    name: id,
    ...(typeof prompt === "string" && { title: Array.from(prompt).slice(0, MAX_TITLE).join("") }),
    mimeType,
    size,
    annotations: { lastModified },
  };
}
