import { LRUCache } from "lru-cache";
import { MCPImageError } from "../core/errors.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import type { ConversionRequest, PictureConverter } from "../images/picture-converter.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { toErrorAnswer, type Answer } from "./answer.ts";
import { evaluateConditions } from "./conditions.ts";
import type { Exchange } from "./exchange.ts";
import type { Picture } from "./held-picture.ts";
import type { PictureAccess } from "./picture-access.ts";
import type { PictureCache } from "./picture-cache.ts";
import type { PictureHead } from "./picture-head.ts";
import type { PictureName, PictureRoute } from "./picture-route.ts";
import { PICTURE_HEADERS } from "./response-headers.ts";

export interface ThumbnailRouteOptions {
  readonly cache: PictureCache;
  readonly pictures: PictureRoute;
  readonly access: PictureAccess;
  readonly converter: Pick<PictureConverter, "convert">;
  readonly metrics: Metrics;
  /** Of converted pictures in memory. */
  readonly maxBytes: number;
}

/**
 * Serves pictures in another size or format. What was made is kept by the hash of its picture, so that nothing has to be
 * dropped when a picture goes: without its record, nobody asks for it.
 */
export class ThumbnailRoute {
  readonly #options: ThumbnailRouteOptions;
  readonly #made: LRUCache<string, Buffer>;
  readonly #making = new Map<string, Promise<Buffer | undefined>>();

  constructor(options: ThumbnailRouteOptions) {
    this.#options = options;
    this.#made = new LRUCache({ maxSize: options.maxBytes, sizeCalculation: (body) => Math.max(1, body.length) });
  }

  /** Writes the converted picture, or gives an answer to send instead. */
  async serve(exchange: Exchange, name: PictureName, request: ConversionRequest): Promise<Answer | undefined> {
    const { cache, pictures } = this.#options;
    const head = cache.getFresh(name.imageId)?.head ?? (await cache.loadHead(name.imageId));
    if (head === undefined || !pictures.isAnswer(exchange, name, head)) return this.#refuse("image_not_found");
    const { mimeType, extension } = IMAGE_FORMATS[request.format];
    if (request.longestEdge === undefined && extension === head.extension) return pictures.serve(exchange, name);
    const key = `${head.sha256}-${request.longestEdge ?? "full"}-${request.format}`;
    const etag = `"${key}"`;
    const outcome = evaluateConditions(exchange.method, exchange.headers, { ...head, etag });
    if (outcome.kind === "precondition_failed") return this.#refuse("precondition_failed");
    if (outcome.kind === "not_modified") {
      this.#write(exchange, 304, this.#toHeaders(exchange, head, etag));
      return undefined;
    }
    const body = await this.#load(key, name, request);
    if (body === undefined) return this.#refuse("image_not_found");
    const stem = request.longestEdge === undefined ? name.imageId : `${name.imageId}-${request.longestEdge}`;
    const headers = this.#toHeaders(exchange, head, etag);
    headers.push("Content-Type", mimeType, "Content-Disposition", `inline; filename="${stem}.${extension}"`);
    headers.push("Content-Length", String(body.length));
    this.#write(exchange, 200, headers, body);
    return undefined;
  }

  async #load(key: string, { imageId }: PictureName, request: ConversionRequest): Promise<Buffer | undefined> {
    const made = this.#made.get(key);
    if (made !== undefined) return made;
    const running = this.#making.get(key);
    if (running !== undefined) return running;
    const { cache, converter } = this.#options;
    let picture: Picture | undefined;
    const loadBytes = async (): Promise<Buffer | undefined> => {
      picture = await cache.load(imageId);
      return picture && toBytes(picture);
    };
    const making = converter
      .convert(loadBytes, request)
      .finally(() => picture?.release())
      .then((body) => {
        if (body !== undefined) this.#made.set(key, body);
        return body;
      })
      .finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    return making;
  }

  /** The tag is weak: another version of the library makes other bytes of the same picture. */
  #toHeaders(exchange: Exchange, head: PictureHead, etag: string): string[] {
    const cacheControl = this.#options.access.toCacheControl(exchange, head);
    return ["Cache-Control", cacheControl, "ETag", `W/${etag}`, "Last-Modified", head.lastModified, ...PICTURE_HEADERS];
  }

  #write(exchange: Exchange, status: 200 | 304, headers: readonly string[], body?: Buffer): void {
    this.#options.metrics.imageServed(status);
    exchange.response.writeHead(status, [...exchange.toHeaders(), ...headers]);
    exchange.response.end(exchange.method === "HEAD" ? undefined : body);
  }

  #refuse(code: "image_not_found" | "precondition_failed"): Answer {
    const answer = toErrorAnswer(new MCPImageError(code, "Cannot convert the picture"));
    this.#options.metrics.imageServed(answer.status);
    return answer;
  }
}

async function toBytes(picture: Picture): Promise<Buffer> {
  if (picture.kind === "held") return picture.imageData;
  const bytes = Buffer.allocUnsafeSlow(picture.head.size);
  await picture.image.read(bytes, 0);
  return bytes;
}
