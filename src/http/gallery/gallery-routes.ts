import { MCPImageError, toMcpImageError, ValidationError } from "../../core/errors.ts";
import { parseImageId } from "../../core/image-id.ts";
import type { ImageService } from "../../images/image-service.ts";
import { getLogger } from "../../logging/logger.ts";
import { MAX_TEXT_CHARACTERS } from "../../storage/find-query.ts";
import type { Answer } from "../answer.ts";
import type { Exchange } from "../exchange.ts";
import { decode } from "../picture-route.ts";
import { Assets } from "./assets.ts";
import { toErrorPage } from "./error-page.ts";
import { toGalleryListPage } from "./gallery-page.ts";
import type { PageContext } from "./page-shell.ts";
import { toPicturePage } from "./picture-page.ts";

export interface GalleryRoutesOptions {
  readonly images: Pick<ImageService, "for" | "directOrigin">;
  readonly serviceName: string;
  readonly baseUrl: () => string;
  readonly basePath: string;
  readonly hasThumbnails: () => Promise<boolean>;
  /** Whether this visitor may make, vary and delete pictures. */
  readonly mayChange: (exchange: Exchange) => boolean;
}

/** Fills three screens; the next page is there before a reader arrives. */
const PAGE_SIZE = 48;

const logger = getLogger("http");

/** The pages of the gallery. An error is a page too. */
export class GalleryRoutes {
  readonly assets = new Assets();
  readonly #options: GalleryRoutesOptions;

  constructor(options: GalleryRoutesOptions) {
    this.#options = options;
  }

  /** The pictures, newest first. */
  async list(exchange: Exchange, query: string): Promise<Answer> {
    const { images, baseUrl, hasThumbnails } = this.#options;
    return this.#answer(exchange, async (context) => {
      const { cursor, text } = parsePageQuery(query);
      const page = await images
        .for(exchange.caller)
        .listImages({ limit: PAGE_SIZE, ...(text !== "" && { text }), ...(cursor !== undefined && { cursor }) });
      return toGalleryListPage(exchange, {
        ...context,
        page,
        nextQuery: page.nextCursor && toPageQuery(text, page.nextCursor),
        isFirst: cursor === undefined,
        mcpUrl: `${baseUrl()}/mcp`,
        text,
        hasThumbnails: page.images.length > 0 && (await hasThumbnails()),
      });
    });
  }

  /** One picture with everything that is known of it. */
  async picture(exchange: Exchange, segment: string): Promise<Answer> {
    const { images } = this.#options;
    return this.#answer(exchange, async (context) => {
      const imageId = parseImageId(decode(segment))?.id;
      const metadata = imageId === undefined ? undefined : await images.for(exchange.caller).getMetadata(imageId);
      if (metadata === undefined) throw new MCPImageError("image_not_found", "No such image");
      const older = await images.for(exchange.caller).listImages({ limit: 1, cursor: metadata.image_id });
      return toPicturePage(exchange, { ...context, metadata, olderId: older.images[0]?.image_id });
    });
  }

  async #answer(exchange: Exchange, work: (context: PageContext) => Promise<Answer>): Promise<Answer> {
    const { serviceName, basePath, mayChange, images } = this.#options;
    const context = { serviceName, basePath, mayChange: mayChange(exchange), directOrigin: images.directOrigin };
    try {
      return await work(context);
    } catch (error) {
      const failure = toMcpImageError(error);
      if (failure.httpStatus >= 500) logger[failure.retryable ? "warn" : "error"]("page_failed", { error: failure });
      return toErrorPage(exchange, context, failure);
    }
  }
}

function parsePageQuery(query: string): { readonly cursor: string | undefined; readonly text: string } {
  const parameters = new URLSearchParams(query);
  const cursor = parameters.get("cursor") ?? undefined;
  const text = (parameters.get("q") ?? "").trim();
  if (text.length > MAX_TEXT_CHARACTERS) {
    throw new ValidationError("invalid_argument", "Cannot search: too many characters", {
      publicMessage: `A search has at most ${MAX_TEXT_CHARACTERS} characters`,
    });
  }
  if (cursor === undefined || parseImageId(cursor) !== undefined) return { cursor, text };
  throw new ValidationError("invalid_argument", "Cannot list: the cursor is none of ours", {
    publicMessage: "The address has a cursor that no page gave",
  });
}

function toPageQuery(text: string, cursor: string): string {
  return new URLSearchParams({ ...(text !== "" && { q: text }), cursor }).toString();
}
