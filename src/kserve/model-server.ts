import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../core/clock.ts";
import { KServeError, MCPImageError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { verifyImage, type VerifiedImage } from "../core/verify-image.ts";
import { PictureScanner, pictureTooLarge } from "../wire/picture-scanner.ts";
import {
  parseModelNames,
  parseModelReady,
  readV1Answer,
  toV1ModelPath,
  toV1PredictPath,
  V1_MODELS_PATH,
  type V1Answer,
  type V1Instance,
} from "../wire/v1.ts";
import { toAnswerError, toErrorInsideAnswer, type FailedCall } from "./answer-error.ts";
import { exchange, type Answer } from "./exchange.ts";
import type { HttpTransport } from "./http-transport.ts";
import { toUpstreamCause, UpstreamError } from "./upstream-error.ts";

export interface CallOptions {
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** How long the server may think. */
  readonly limitMs: number;
}

export interface PredictOptions extends CallOptions {
  readonly onSent: () => void;
}

/** A verified picture and what the runtime says beside it. */
export interface Prediction extends VerifiedImage {
  readonly imageData: Buffer;
  readonly report: JsonObject;
  readonly elapsedMs: number;
}

/** Checks a picture, perhaps on another thread, which takes the bytes away and gives them back. */
export type ImageVerifier = (imageData: Buffer) => Promise<VerifiedImage & { readonly imageData: Buffer }>;

/**
 * `busy`: it accepts connections but stays silent, as runtimes do while they draw;
 * `unknown`: it has no such route, so only a prediction will tell.
 */
export type Readiness = "ready" | "not_ready" | "busy" | "unknown";

/** JSON around the picture: prompt, parameters, reports. */
const MAX_ENVELOPE_BYTES = 64 * 1024;

/** The calls of the KServe V1 protocol; each is one request, sent once. */
export class ModelServer {
  readonly #transport: HttpTransport;
  readonly #clock: Clock;
  readonly #maxImageBytes: number;
  readonly #verifyImage: ImageVerifier;

  constructor(options: {
    readonly transport: HttpTransport;
    readonly clock: Clock;
    readonly maxImageBytes: number;
    /** Default: on the calling thread. */
    readonly verifyImage?: ImageVerifier | undefined;
  }) {
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#maxImageBytes = options.maxImageBytes;
    this.#verifyImage = options.verifyImage ?? (async (imageData) => ({ ...verifyImage(imageData), imageData }));
  }

  /** The names of the models served; `undefined` when the server does not list them. @throws {UpstreamError} */
  async listModels(options: CallOptions): Promise<readonly string[] | undefined> {
    const answer = await this.#get(V1_MODELS_PATH, options);
    if (isSuccess(answer)) return parseModelNames(answer.text);
    if (isWithoutRoute(answer)) return undefined;
    throw toAnswerError(answer, this.#failedGet(""));
  }

  /** Asks for the readiness of a model. @throws {UpstreamError} such as `model_not_found` */
  async probe(modelName: string, options: CallOptions): Promise<Readiness> {
    let answer: Answer;
    try {
      answer = await this.#get(toV1ModelPath(modelName), options);
    } catch (error) {
      if (isSilence(error)) return "busy";
      throw error;
    }
    if (isSuccess(answer)) {
      if (/^\s*</.test(answer.text)) throw notJson(answer.text);
      return parseModelReady(answer.text) ? "ready" : "not_ready";
    }
    const error = toAnswerError(answer, this.#failedGet(modelName));
    if (error.code === "model_not_ready") return "not_ready";
    if (error.code === "not_a_kserve_endpoint" || error.code === "upstream_error") return "unknown";
    throw error;
  }

  /** Draws one picture. @throws {KServeError} */
  async predict(modelName: string, instance: V1Instance, options: PredictOptions): Promise<Prediction> {
    const call: FailedCall = { modelName, instance, nowMs: this.#clock.nowMs() };
    let scanner: PictureScanner | undefined;
    const answer = await exchange({
      transport: this.#transport,
      clock: this.#clock,
      call: {
        method: "POST",
        path: toV1PredictPath(modelName),
        body: JSON.stringify({ instances: [instance] }),
        requestId: options.requestId,
        signal: options.signal,
      },
      answerLimitMs: options.limitMs,
      onSent: options.onSent,
      openSink: (headers) => {
        scanner = this.#openScanner(headers);
        return this.#bounded(scanner);
      },
    });
    if (!scanner) throw toAnswerError(answer, call);
    return this.#toPrediction(readV1Answer(scanner.finish()), answer, call);
  }

  async #get(path: string, options: CallOptions): Promise<Answer> {
    const { requestId, signal, limitMs } = options;
    return exchange({
      transport: this.#transport,
      clock: this.#clock,
      call: { method: "GET", path, requestId, signal },
      answerLimitMs: limitMs,
    });
  }

  #failedGet(modelName: string): FailedCall {
    return { modelName, instance: undefined, nowMs: this.#clock.nowMs() };
  }

  #openScanner(headers: IncomingHttpHeaders): PictureScanner {
    const expectedBodyBytes = Number(headers["content-length"] ?? 0);
    return new PictureScanner({ maxImageBytes: this.#maxImageBytes, expectedBodyBytes });
  }

  #bounded(scanner: PictureScanner): { write(chunk: Buffer): void } {
    let restBytes = Math.ceil((this.#maxImageBytes * 4) / 3) + MAX_ENVELOPE_BYTES;
    return {
      write: (chunk) => {
        restBytes -= chunk.length;
        if (restBytes < 0) throw pictureTooLarge(this.#maxImageBytes);
        scanner.write(chunk);
      },
    };
  }

  async #verify(imageData: Buffer): ReturnType<ImageVerifier> {
    try {
      return await this.#verifyImage(imageData);
    } catch (error) {
      if (!(error instanceof MCPImageError)) throw error;
      throw new KServeError(error.code, error.message, { details: error.details, cause: error });
    }
  }

  async #toPrediction(answer: V1Answer, { elapsedMs, ...rest }: Answer, call: FailedCall): Promise<Prediction> {
    switch (answer.kind) {
      case "picture":
        if (answer.imageData.length > this.#maxImageBytes) throw pictureTooLarge(this.#maxImageBytes);
        return {
          ...(await this.#verify(answer.imageData)),
          report: answer.prediction,
          elapsedMs,
        };
      case "damaged":
        throw new UpstreamError("image_invalid", { state: "the base64 of the picture is damaged" });
      case "error":
        throw toErrorInsideAnswer({ elapsedMs, ...rest }, answer.text, call);
      case "cut_off":
        throw new UpstreamError("upstream_connection_lost", {
          state: "the answer is cut off",
          publicMessage: "The answer of the model server was cut off",
        });
      case "not_json":
        throw notJson(answer.text);
      case "no_picture":
        throw new UpstreamError("no_image_in_response", {
          state: "the answer holds no picture",
          details: { model_name: call.modelName },
          cause: toUpstreamCause(`keys ${answer.keys.join(", ")}`),
        });
    }
  }
}

function isSuccess(answer: Answer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

/** True for the error of a server that was reached and said nothing; only ever of a GET, which draws nothing. */
export function isSilence(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === "upstream_timeout";
}

function isWithoutRoute(answer: Answer): boolean {
  return answer.status === 404 || answer.status === 405 || answer.status === 501;
}

function notJson(text: string): UpstreamError {
  return new UpstreamError("not_a_kserve_endpoint", {
    state: "the answer is not JSON",
    details: { hint: "KSERVE_ENDPOINT leads to something else, such as a web page or a login" },
    cause: toUpstreamCause(text),
  });
}
