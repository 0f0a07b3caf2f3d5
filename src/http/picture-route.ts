import type { ServerResponse } from "node:http";
import type { AccessPolicy } from "../access/access-policy.ts";
import { hasScope } from "../access/principal.ts";
import { MCPImageError } from "../core/errors.ts";
import { IMAGE_FORMATS } from "../core/image-format.ts";
import { parseImageId, type ImageId } from "../core/image-id.ts";
import type { ImageService } from "../images/image-service.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { toErrorAnswer, type Answer } from "./answer.ts";
import { evaluateConditions, hasConditions, type Outcome } from "./conditions.ts";
import type { Exchange } from "./exchange.ts";
import type { HeldPicture, OpenedPicture, Picture } from "./held-picture.ts";
import type { PictureAccess } from "./picture-access.ts";
import type { PictureCache } from "./picture-cache.ts";
import { toPendingAnswer } from "./pending-answer.ts";
import { toPictureHead, type PictureHead } from "./picture-head.ts";
import { sendInParts } from "./send-in-parts.ts";

export interface PictureRouteOptions {
  readonly cache: PictureCache;
  readonly images: Pick<ImageService, "for" | "isAbsent" | "findRedirect">;
  readonly policy: AccessPolicy;
  readonly access: PictureAccess;
  /** Without a byte taken for so long, a client is cut off. */
  readonly stallTimeoutMs: number;
  readonly metrics: Metrics;
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
  readonly #options: PictureRouteOptions;

  constructor(options: PictureRouteOptions) {
    this.#options = options;
  }

  /** Answers what needs no waiting: a picture in memory, and an id that is known to name none. Else false: `serve`. */
  serveAtOnce(exchange: Exchange, name: PictureName): boolean {
    const { cache, images, metrics } = this.#options;
    const picture = cache.getFresh(name.imageId);
    if (picture === undefined) {
      if (!images.isAbsent(name.imageId)) return false;
      metrics.imageServed(NOT_FOUND.status);
      exchange.send(NOT_FOUND);
      return true;
    }
    if (!this.isAnswer(exchange, name, picture.head)) return false;
    const { method, headers } = exchange;
    const outcome: Outcome = hasConditions(headers) ? evaluateConditions(method, headers, picture.head) : FULL;
    if (!isSent(outcome)) return false;
    picture.retain();
    this.#send(exchange, picture, outcome);
    return true;
  }

  /** Answers from the store. Reads the picture only when its bytes are asked for. */
  async serve(exchange: Exchange, name: PictureName): Promise<Answer | undefined> {
    const { imageId } = name;
    const { cache } = this.#options;
    const { method, headers } = exchange;
    const redirect = await this.#options.images.findRedirect(imageId);
    if (redirect !== undefined) return this.#redirect(exchange, name, redirect);
    let picture: Picture | undefined;
    if (method === "HEAD" || hasConditions(headers)) {
      const head = await cache.loadHead(imageId);
      if (head === undefined) return this.#answerMissing(exchange, imageId);
      if (!this.isAnswer(exchange, name, head)) return this.#refuse("image_not_found");
      const outcome = evaluateConditions(method, headers, head);
      if (!isSent(outcome)) {
        return outcome.kind === "precondition_failed"
          ? this.#refuse("precondition_failed")
          : this.#refuse("range_not_satisfiable", ["Content-Range", `bytes */${head.size}`]);
      }
      if (method === "HEAD" || outcome.kind === "not_modified") {
        this.#writeHead(exchange, head, outcome);
        exchange.response.end();
        return undefined;
      }
      if (outcome.kind === "partial") picture = cache.getFresh(imageId) ?? (await cache.open(imageId));
      if (picture?.kind === "held") picture.retain();
    }
    picture ??= await cache.load(imageId);
    if (picture === undefined) return this.#answerMissing(exchange, imageId);
    const outcome = evaluateConditions(method, headers, picture.head);
    if (!this.isAnswer(exchange, name, picture.head) || !isSent(outcome)) {
      picture.release();
      return this.#refuse("image_not_found");
    }
    if (picture.kind === "held") this.#send(exchange, picture, outcome);
    else await this.#sendParts(exchange, picture, outcome);
    return undefined;
  }

  /** Sends the client to the store; a browser that has the picture already is not sent anywhere. */
  #redirect(exchange: Exchange, name: PictureName, { record, url, expiresAtMs }: Redirect): Answer | undefined {
    const { access, metrics } = this.#options;
    const head = toPictureHead(record, expiresAtMs);
    if (!this.isAnswer(exchange, name, head)) return this.#refuse("image_not_found");
    const { kind } = evaluateConditions(exchange.method, exchange.headers, head);
    if (kind === "precondition_failed") return this.#refuse("precondition_failed");
    if (kind === "not_modified") {
      this.#writeHead(exchange, head, { kind });
      exchange.response.end();
      return undefined;
    }
    metrics.imageServed(302);
    const headers = ["Cache-Control", access.toCacheControl(exchange, head, "private"), "Location", url];
    return { status: 302, contentType: "text/plain; charset=utf-8", body: "", headers };
  }

  /** True when the picture is what the address names and the caller may see it. */
  isAnswer(exchange: Exchange, { extension }: PictureName, head: PictureHead): boolean {
    if (extension !== undefined && extension !== head.extension) return false;
    return this.#options.access.maySee(exchange, head);
  }

  /** Releases the picture when its bytes have left. */
  #send(exchange: Exchange, picture: HeldPicture, outcome: SentOutcome): void {
    const { response } = exchange;
    this.#writeHead(exchange, picture.head, outcome);
    response.end(exchange.method === "HEAD" ? undefined : toBody(picture, outcome));
    if (response.writableLength === 0) {
      picture.release();
      return;
    }
    this.#limitStall(response);
    response.once("close", () => picture.release());
  }

  async #sendParts(exchange: Exchange, picture: OpenedPicture, outcome: SentOutcome): Promise<void> {
    const { response } = exchange;
    const { head, image } = picture;
    this.#writeHead(exchange, head, outcome);
    this.#limitStall(response);
    try {
      await sendInParts(response, image, outcome.kind === "partial" ? outcome : { start: 0, end: head.size - 1 });
    } finally {
      picture.release();
    }
  }

  /** Cuts off a client that takes nothing, so that it does not hold memory and a connection for ever. */
  #limitStall(response: ServerResponse): void {
    response.setTimeout(this.#options.stallTimeoutMs, () => response.destroy());
  }

  #writeHead(exchange: Exchange, head: PictureHead, outcome: SentOutcome): void {
    const headers = exchange.toHeaders();
    headers.push("Cache-Control", this.#options.access.toCacheControl(exchange, head), ...head.sharedHeaders);
    const status = STATUS[outcome.kind];
    if (outcome.kind !== "not_modified") headers.push(...head.contentHeaders);
    if (outcome.kind === "partial") {
      const { start, end } = outcome;
      headers.push("Content-Range", `bytes ${start}-${end}/${head.size}`, "Content-Length", String(end - start + 1));
    }
    if (outcome.kind === "full") headers.push("Content-Length", String(head.size));
    this.#options.metrics.imageServed(status);
    exchange.response.writeHead(status, headers);
  }

  /** A picture that is not stored may be on its way. */
  async #answerMissing({ caller }: Exchange, imageId: ImageId): Promise<Answer> {
    const { images, metrics, policy } = this.#options;
    // What is told of it is its metadata, which a link alone does not open.
    const isStranger = !policy.isOpen && !hasScope(caller.principal, "images:read");
    const pending = isStranger ? undefined : await images.for(caller).findPending(imageId);
    if (pending === undefined) return this.#refuse("image_not_found");
    const answer = toPendingAnswer(pending);
    metrics.imageServed(answer.status);
    return answer;
  }

  #refuse(code: "image_not_found" | "precondition_failed" | "range_not_satisfiable", headers: string[] = []): Answer {
    const answer = toErrorAnswer(new MCPImageError(code, "Cannot serve the picture"), headers);
    this.#options.metrics.imageServed(answer.status);
    return answer;
  }
}

type Redirect = NonNullable<Awaited<ReturnType<ImageService["findRedirect"]>>>;

/** What is written here; the rest is an error. */
type SentOutcome = Exclude<Outcome, { readonly kind: "precondition_failed" | "range_not_satisfiable" }>;

const FULL = { kind: "full" } as const;
const STATUS = { full: 200, partial: 206, not_modified: 304 } as const;
const NOT_FOUND = toErrorAnswer(new MCPImageError("image_not_found", "No such image"));

function isSent(outcome: Outcome): outcome is SentOutcome {
  return outcome.kind === "full" || outcome.kind === "partial" || outcome.kind === "not_modified";
}

function toBody({ imageData }: HeldPicture, outcome: SentOutcome): Buffer | undefined {
  if (outcome.kind === "partial") return imageData.subarray(outcome.start, outcome.end + 1);
  return outcome.kind === "full" ? imageData : undefined;
}
