import type { AccessPolicy } from "../access/access-policy.ts";
import { hasScope } from "../access/principal.ts";
import type { Clock } from "../core/clock.ts";
import { MCPImageError } from "../core/errors.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import { parseImageId, type ImageId } from "../core/image-id.ts";
import type { ImageService } from "../images/image-service.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { toErrorAnswer, type Answer } from "./answer.ts";
import { evaluateConditions, hasConditions, type Outcome } from "./conditions.ts";
import type { Exchange } from "./exchange.ts";
import type { PictureCache } from "./picture-cache.ts";
import { toPendingAnswer } from "./pending-answer.ts";
import { toCacheControl, type PictureHead } from "./picture-head.ts";

export interface PictureRouteOptions {
  readonly cache: PictureCache;
  readonly images: Pick<ImageService, "for">;
  readonly policy: AccessPolicy;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** The picture that an address names. */
export interface PictureName {
  readonly imageId: ImageId;
  /** Without the dot; `undefined` when the address has none. */
  readonly extension: string | undefined;
}

const PREFIX = "/images/";
const EXTENSIONS: ReadonlySet<string> = new Set(Object.values(IMAGE_FORMATS).map((format) => format.extension));

/** The picture that a path names, or `undefined` when it names none. Decodes once, and only what is encoded. */
export function parsePicturePath(path: string): PictureName | undefined {
  if (!path.startsWith(PREFIX)) return undefined;
  const end = path.endsWith("/") ? path.length - 1 : path.length;
  const name = decode(path.slice(PREFIX.length, end));
  const dot = name.indexOf(".");
  const parsed = parseImageId(dot === -1 ? name : name.slice(0, dot));
  if (parsed === undefined) return undefined;
  if (dot === -1) return { imageId: parsed.id, extension: undefined };
  const extension = name.slice(dot + 1);
  return EXTENSIONS.has(extension) ? { imageId: parsed.id, extension } : undefined;
}

/** The text with its percent-encoding undone; the text itself when that is not possible. */
export function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Writes pictures straight to Node's response: a hit costs one look-up and one write.
 * Gives an answer instead where the body is not a picture, for the caller to send.
 */
export class PictureRoute {
  readonly #cache: PictureCache;
  readonly #images: Pick<ImageService, "for">;
  readonly #policy: AccessPolicy;
  readonly #metrics: Metrics;
  readonly #clock: Clock;

  constructor({ cache, images, policy, metrics, clock }: PictureRouteOptions) {
    this.#cache = cache;
    this.#images = images;
    this.#policy = policy;
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** Answers from memory. False when the picture is not there, so that `serve` must be called. */
  serveFromMemory(exchange: Exchange, name: PictureName): boolean {
    const hit = this.#cache.getFresh(name.imageId);
    if (hit === undefined || !this.isAnswer(exchange, name, hit.head)) return false;
    const { method, headers } = exchange;
    const outcome: Outcome = hasConditions(headers) ? evaluateConditions(method, headers, hit.head) : { kind: "full" };
    if (outcome.kind !== "full" && outcome.kind !== "partial" && outcome.kind !== "not_modified") return false;
    this.#write(exchange, hit.head, outcome, hit.imageData);
    return true;
  }

  /** Answers from the store. Reads the picture only when its bytes are asked for. */
  async serve(exchange: Exchange, name: PictureName): Promise<Answer | undefined> {
    const { imageId } = name;
    const { method, headers } = exchange;
    if (method === "HEAD" || hasConditions(headers)) {
      const head = await this.#cache.loadHead(imageId);
      if (head === undefined) return this.#answerMissing(exchange, imageId);
      if (!this.isAnswer(exchange, name, head)) return this.#refuse("image_not_found");
      const outcome = evaluateConditions(method, headers, head);
      switch (outcome.kind) {
        case "precondition_failed":
          return this.#refuse("precondition_failed");
        case "range_not_satisfiable":
          return this.#refuse("range_not_satisfiable", ["Content-Range", `bytes */${head.size}`]);
        case "not_modified":
          this.#write(exchange, head, outcome);
          return undefined;
        case "full":
        case "partial":
          if (method !== "HEAD") break;
          this.#write(exchange, head, outcome);
          return undefined;
      }
    }
    const found = await this.#cache.load(imageId);
    if (found === undefined) return this.#answerMissing(exchange, imageId);
    if (!this.isAnswer(exchange, name, found.head)) return this.#refuse("image_not_found");
    this.#write(exchange, found.head, evaluateConditions(method, headers, found.head), found.imageData);
    return undefined;
  }

  /** A picture that the caller may not see is not there. */
  isAnswer({ caller }: Exchange, { extension }: PictureName, head: PictureHead): boolean {
    if (extension !== undefined && extension !== head.extension) return false;
    return this.#policy.opensPictures || this.#policy.maySee(caller.principal, head.owner);
  }

  /** What caches may do with the picture, or with another form of it. */
  toCacheControl(head: PictureHead): string {
    return toCacheControl(head, this.#clock.nowMs(), this.#policy.isOpen ? "public" : "private");
  }

  #write(exchange: Exchange, head: PictureHead, outcome: Outcome, imageData?: Buffer): void {
    const { response } = exchange;
    const headers = exchange.toHeaders();
    headers.push("Cache-Control", this.toCacheControl(head), ...head.sharedHeaders);
    if (outcome.kind === "not_modified") {
      this.#metrics.imageServed(304);
      response.writeHead(304, headers);
      response.end();
      return;
    }
    headers.push(...head.contentHeaders);
    const body = exchange.method === "HEAD" ? undefined : imageData;
    if (outcome.kind === "partial") {
      const { start, end } = outcome;
      headers.push("Content-Range", `bytes ${start}-${end}/${head.size}`, "Content-Length", String(end - start + 1));
      this.#metrics.imageServed(206);
      response.writeHead(206, headers);
      response.end(body?.subarray(start, end + 1));
      return;
    }
    headers.push("Content-Length", String(head.size));
    this.#metrics.imageServed(200);
    response.writeHead(200, headers);
    response.end(body);
  }

  /** A picture that is not stored may be on its way. */
  async #answerMissing({ caller }: Exchange, imageId: ImageId): Promise<Answer> {
    // What is told of it is its metadata, which a link alone does not open.
    const isStranger = !this.#policy.isOpen && !hasScope(caller.principal, "images:read");
    const pending = isStranger ? undefined : await this.#images.for(caller).findPending(imageId);
    if (pending === undefined) return this.#refuse("image_not_found");
    const answer = toPendingAnswer(pending);
    this.#metrics.imageServed(answer.status);
    return answer;
  }

  #refuse(code: "image_not_found" | "precondition_failed" | "range_not_satisfiable", headers: string[] = []): Answer {
    const answer = toErrorAnswer(new MCPImageError(code, "Cannot serve the picture"), headers);
    this.#metrics.imageServed(answer.status);
    return answer;
  }
}
