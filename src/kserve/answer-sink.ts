import type { IncomingHttpHeaders } from "node:http";
import type { BufferPool } from "../core/buffer-pool.ts";
import { GrowingBuffer } from "../wire/growing-buffer.ts";
import type { AnswerForm } from "../wire/picture-answer.ts";
import { PictureScanner, pictureTooLarge, type ScannedBody } from "../wire/picture-scanner.ts";
import type { BodySink } from "./exchange.ts";

export interface AnswerSinkOptions {
  readonly headers: IncomingHttpHeaders;
  readonly maxImageBytes: number;
  /** Default: a picture in base64, and 64 KiB around it. */
  readonly maxBodyBytes?: number | undefined;
  /** The output of V2 that holds the picture. */
  readonly outputName?: string | undefined;
  /** Lends the memory for a picture in base64. */
  readonly pool?: BufferPool | undefined;
}

/** A whole body, and what the head of its answer told about it. */
export interface TakenAnswer {
  readonly body: ScannedBody;
  readonly form: AnswerForm;
}

/** JSON around the picture: prompt, parameters, reports. */
const MAX_ENVELOPE_BYTES = 64 * 1024;
const FIRST_BODY_BYTES = 256 * 1024;

/** Takes the answer to a job as it arrives, and no more of it than a picture can need. */
export class AnswerSink implements BodySink {
  readonly #options: AnswerSinkOptions;
  /** Set for a body of JSON with values behind it, which must not be searched as text. */
  readonly #jsonBytes: number | undefined;
  readonly #body: PictureScanner | GrowingBuffer;
  #restBytes: number;

  constructor(options: AnswerSinkOptions) {
    const { headers, maxImageBytes } = options;
    this.#options = options;
    this.#restBytes = options.maxBodyBytes ?? Math.ceil((maxImageBytes * 4) / 3) + MAX_ENVELOPE_BYTES;
    const expectedBodyBytes = Math.min(Number(headers["content-length"] ?? 0), this.#restBytes);
    const jsonBytes = headers["inference-header-content-length"];
    this.#jsonBytes = jsonBytes === undefined ? undefined : Number(jsonBytes);
    this.#body =
      this.#jsonBytes === undefined
        ? new PictureScanner({ maxImageBytes, expectedBodyBytes, pool: options.pool })
        : new GrowingBuffer({ initialBytes: Math.max(expectedBodyBytes, FIRST_BODY_BYTES) });
  }

  /** @throws {KServeError} `image_too_large` */
  write(chunk: Buffer): void {
    this.#restBytes -= chunk.length;
    if (this.#restBytes < 0) throw pictureTooLarge(this.#options.maxImageBytes);
    if (this.#body instanceof PictureScanner) this.#body.write(chunk);
    else this.#body.append(chunk);
  }

  /** All of it; call it once, after the last chunk. */
  finish(): TakenAnswer {
    const { headers, outputName } = this.#options;
    const body: ScannedBody =
      this.#body instanceof PictureScanner ? this.#body.finish() : { text: this.#body.bytes, picture: undefined };
    const form = { contentType: headers["content-type"], jsonBytes: this.#jsonBytes, outputName };
    return { body, form };
  }
}
