import type { Clock } from "../core/clock.ts";
import { KServeError, MCPImageError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { sniffImageFormat } from "../core/image-format.ts";
import { encodePng } from "../core/png.ts";
import { verifyImage, type VerifiedImage } from "../core/verify-image.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import { nextTurn } from "../core/next-turn.ts";
import { readPictureAnswer, type AnswerForm, type PictureAnswer } from "../wire/picture-answer.ts";
import { pictureTooLarge } from "../wire/picture-scanner.ts";
import { parseHasProgress, parseModelReady, toProgressPath, type V1Instance } from "../wire/v1.ts";
import { toAnswerError, toErrorInsideAnswer, type FailedCall } from "./answer-error.ts";
import { AnswerSink, type TakenAnswer } from "./answer-sink.ts";
import { isBlackPicture } from "./black-picture.ts";
import { exchange, type Answer } from "./exchange.ts";
import { followProgress } from "./follow-progress.ts";
import type { PictureMemory } from "./generated-image.ts";
import type { HttpTransport } from "./http-transport.ts";
import type { ModelProtocol } from "./protocols/model-protocol.ts";
import type { AskServer, ProtocolChooser } from "./protocols/protocol-chooser.ts";
import { RefusedKeyError, toUpstreamCause, UpstreamError } from "./upstream-error.ts";

export interface CallOptions {
  readonly requestId: string;
  readonly traceparent?: string | undefined;
  readonly signal: AbortSignal;
  /** How long the server may think. */
  readonly limitMs: number;
}

export interface PredictOptions extends CallOptions {
  readonly onSent: () => void;
  /** Called for servers that tell how far a job is. */
  readonly onStep?: (step: number, totalSteps: number) => void;
}

/** A verified picture and what the runtime says beside it. */
export interface Prediction extends VerifiedImage {
  readonly imageData: Buffer;
  readonly memory?: PictureMemory | undefined;
  readonly report: JsonObject;
  readonly elapsedMs: number;
  /** Our own words about the picture. */
  readonly warnings: readonly string[];
}

/** Reads an answer on another thread, which takes its bytes away; gives pixels as a file. */
export type AnswerReader = (body: Buffer, form: AnswerForm) => Promise<Exclude<PictureAnswer, { kind: "pixels" }>>;

/** An answer that was read, and the memory of its picture when that is on loan. */
type ReadAnswer = PictureAnswer & { readonly memory?: PictureMemory | undefined };

/**
 * `busy`: it accepts connections but stays silent, as runtimes do while they draw;
 * `unknown`: it has no such route, so only a prediction will tell.
 */
export type Readiness = "ready" | "not_ready" | "busy" | "unknown";

const FILTERED = "possibly_filtered: the picture is all black, as a model's safety filter makes it";

/** To read a longer text, or pixels, takes longer than a thread switch and back. */
const LONG_BODY_BYTES = 256 * 1024;
/** How much more room pixels take than the file that is made of them. */
const PIXEL_FACTOR = 5;
/** For questions after a refused job: the server is there, so it answers at once. */
const QUESTION_LIMIT_MS = 5000;
/** A router that has no route says so at once. */
const ROUTER_ANSWER_MS = 1000;
const ROUTE_MISSING: ReadonlySet<number> = new Set([400, 404, 405, 501]);

/** The calls of a model server, in whatever protocol it speaks; a job is sent once. */
export class ModelServer {
  readonly #transport: HttpTransport;
  readonly #protocols: ProtocolChooser;
  readonly #toFetchPath: (address: string) => string | undefined;
  readonly #clock: Clock;
  readonly #maxImageBytes: number;
  readonly #pool: BufferPool | undefined;
  readonly #readAside: AnswerReader | undefined;
  /** What the last probe said: asking a server without such a route may cost a job. */
  #tellsProgress = false;

  constructor(options: {
    readonly transport: HttpTransport;
    readonly protocols: ProtocolChooser;
    /** The path to fetch a picture from that an answer only points to; `undefined` when that is not allowed. */
    readonly toFetchPath: (address: string) => string | undefined;
    readonly clock: Clock;
    readonly maxImageBytes: number;
    /** Lends the memory for pictures. Default: it is fresh. */
    readonly pool?: BufferPool | undefined;
    /** Takes what is long to read. Default: the calling thread does. */
    readonly readAside?: AnswerReader | undefined;
  }) {
    this.#transport = options.transport;
    this.#protocols = options.protocols;
    this.#toFetchPath = options.toFetchPath;
    this.#clock = options.clock;
    this.#maxImageBytes = options.maxImageBytes;
    this.#readAside = options.readAside;
    this.#pool = options.pool;
  }

  /** The names of the models served; `undefined` when the server does not list them. @throws {UpstreamError} */
  async listModels(options: CallOptions): Promise<readonly string[] | undefined> {
    return this.#protocols.listModels(this.#asker(options));
  }

  /** Asks for the readiness of a model. @throws {UpstreamError} such as `model_not_found` */
  async probe(modelName: string, options: CallOptions): Promise<Readiness> {
    let answer: Answer;
    try {
      const ask = this.#asker(options);
      const protocol = await this.#protocols.choose(modelName, ask);
      answer = await ask(protocol.toReadinessPath(modelName));
    } catch (error) {
      if (isSilence(error)) return "busy";
      if (error instanceof UpstreamError && error.code === "model_not_ready") return "not_ready";
      throw error;
    }
    if (isSuccess(answer)) {
      if (/^\s*</.test(answer.text)) throw notJson(answer.text);
      this.#tellsProgress = parseHasProgress(answer.text);
      return parseModelReady(answer.text) ? "ready" : "not_ready";
    }
    // Triton's words for "not ready" are none.
    if (answer.status === 400 && answer.text === "") return "not_ready";
    const error = toAnswerError(answer, this.#failedGet(modelName));
    if (error.code === "model_not_ready") return "not_ready";
    if (error.code === "not_a_kserve_endpoint" || error.code === "upstream_error") return "unknown";
    throw error;
  }

  /** Draws one picture. @throws {KServeError} */
  async predict(modelName: string, instance: V1Instance, options: PredictOptions): Promise<Prediction> {
    const protocol = this.#protocols.current(modelName);
    const startedAtMs = this.#clock.monotonicMs();
    try {
      return await this.#draw(protocol, modelName, instance, options);
    } catch (error) {
      // In a chain of models one may have drawn before another has no route; that takes its time.
      const isPrompt = this.#clock.monotonicMs() - startedAtMs < ROUTER_ANSWER_MS;
      if (!isRouteMissing(error) || !isPrompt) throw error;
      const other = await this.#protocols.fallBack(modelName, this.#asker({ ...options, limitMs: QUESTION_LIMIT_MS }));
      if (other === undefined) throw error;
      try {
        return await this.#draw(other, modelName, instance, options);
      } catch (otherError) {
        if (!isRouteMissing(otherError)) throw otherError;
        this.#protocols.undoFallBack(modelName, protocol);
        throw error;
      }
    }
  }

  async #draw(
    protocol: ModelProtocol,
    modelName: string,
    instance: V1Instance,
    options: PredictOptions,
  ): Promise<Prediction> {
    for (;;) {
      try {
        const prediction = await this.#send(protocol, modelName, instance, options);
        this.#protocols.settle(modelName, protocol);
        return prediction;
      } catch (error) {
        if (!(error instanceof RefusedKeyError) || !protocol.leaveOut(error.key)) throw error;
      }
    }
  }

  async #send(
    protocol: ModelProtocol,
    modelName: string,
    instance: V1Instance,
    options: PredictOptions,
  ): Promise<Prediction> {
    const { path, body, mayBePixels, outputName } = protocol.toJob(modelName, instance);
    const { requestId, signal, traceparent } = options;
    const call: FailedCall = { modelName, instance, nowMs: this.#clock.nowMs() };
    const maxImageBytes = this.#maxImageBytes;
    const maxBodyBytes = mayBePixels ? maxImageBytes * PIXEL_FACTOR : undefined;
    let sink: AnswerSink | undefined;
    const ended = new AbortController();
    try {
      const answer = await exchange({
        transport: this.#transport,
        clock: this.#clock,
        call: { method: "POST", path, body, requestId, signal, traceparent },
        answerLimitMs: options.limitMs,
        onSent: () => {
          options.onSent();
          void this.#follow(modelName, { ...options, signal: AbortSignal.any([signal, ended.signal]) });
        },
        openSink: (headers) => {
          sink = new AnswerSink({ headers, maxImageBytes, maxBodyBytes, outputName, pool: this.#pool });
          return sink;
        },
      });
      if (!sink) throw toAnswerError(answer, call);
      return await this.#toPrediction(await this.#read(sink.finish()), answer, call, options);
    } finally {
      ended.abort();
    }
  }

  async #follow(modelName: string, options: PredictOptions): Promise<void> {
    const { onStep, signal, requestId } = options;
    if (!this.#tellsProgress || onStep === undefined) return;
    const path = toProgressPath(modelName, requestId);
    const ask = async (): Promise<Answer> => this.#get(path, { ...options, limitMs: QUESTION_LIMIT_MS });
    await followProgress({ ask, clock: this.#clock, onStep, signal });
  }

  /** The picture that an answer points to, when that is allowed. */
  async #fetch(address: string, modelName: string, options: CallOptions): Promise<PictureAnswer> {
    const path = this.#toFetchPath(address);
    if (path === undefined) {
      throw new UpstreamError("no_image_in_response", {
        state: "the answer holds the address of a picture, not the picture",
        details: {
          model_name: modelName,
          hint: "A picture at the endpoint itself is fetched with KSERVE_ALLOW_URL_FETCH=true",
        },
      });
    }
    const { requestId, signal, traceparent, limitMs } = options;
    let sink: AnswerSink | undefined;
    try {
      const answer = await exchange({
        transport: this.#transport,
        clock: this.#clock,
        call: { method: "GET", path, requestId, signal, traceparent },
        answerLimitMs: limitMs,
        openSink: (headers) => {
          sink = new AnswerSink({ headers, maxImageBytes: this.#maxImageBytes });
          return sink;
        },
      });
      if (!sink) throw toAnswerError(answer, this.#failedGet(modelName));
      return await this.#read(sink.finish());
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      // The picture is drawn: no trouble with its fetching may look as if another job could help.
      throw new UpstreamError("no_image_in_response", {
        state: "the picture that the answer points to cannot be fetched",
        details: { model_name: modelName },
        cause: error,
      });
    }
  }

  async #get(path: string, options: CallOptions): Promise<Answer> {
    const { requestId, signal, traceparent, limitMs } = options;
    return exchange({
      transport: this.#transport,
      clock: this.#clock,
      call: { method: "GET", path, requestId, signal, traceparent },
      answerLimitMs: limitMs,
    });
  }

  /** All its questions together have the limit of one. */
  #asker(options: CallOptions): AskServer {
    const endAtMs = this.#clock.monotonicMs() + options.limitMs;
    return async (path) => {
      const restMs = Math.max(endAtMs - this.#clock.monotonicMs(), 1);
      return this.#get(path, { ...options, limitMs: restMs });
    };
  }

  #failedGet(modelName: string): FailedCall {
    return { modelName, instance: undefined, nowMs: this.#clock.nowMs() };
  }

  async #read({ body, form }: TakenAnswer): Promise<ReadAnswer> {
    const isLong = body.picture === undefined && body.text.length >= LONG_BODY_BYTES;
    if (isLong && this.#readAside && sniffImageFormat(body.text) === undefined) return this.#readAside(body.text, form);
    const answer = readPictureAnswer(body, form);
    const isScanned = answer.kind === "picture" && answer.imageData === body.picture;
    return isScanned ? { ...answer, memory: body.memory } : answer;
  }

  /** Checksums run at about 5 GB/s: handing a picture to another thread takes longer than verifying it. */
  async #take(imageData: Buffer): Promise<Omit<Prediction, "report" | "elapsedMs">> {
    if (imageData.length > this.#maxImageBytes) throw pictureTooLarge(this.#maxImageBytes);
    await nextTurn();
    try {
      const verified = verifyImage(imageData);
      return { ...verified, imageData, warnings: isBlackPicture(imageData, verified) ? [FILTERED] : [] };
    } catch (error) {
      if (!(error instanceof MCPImageError)) throw error;
      throw new KServeError(error.code, error.message, { details: error.details, cause: error });
    }
  }

  async #toPrediction(
    answer: ReadAnswer,
    { elapsedMs, ...rest }: Answer,
    call: FailedCall,
    options: CallOptions,
  ): Promise<Prediction> {
    switch (answer.kind) {
      case "picture":
        return { ...(await this.#take(answer.imageData)), memory: answer.memory, report: answer.report, elapsedMs };
      case "pixels":
        return { ...(await this.#take(encodePng(answer.image))), report: answer.report, elapsedMs };
      case "url": {
        const fetched = await this.#fetch(answer.url, call.modelName, options);
        if (fetched.kind !== "picture") throw withoutPicture(call, ["url"]);
        return { ...(await this.#take(fetched.imageData)), report: {}, elapsedMs };
      }
      case "damaged":
        throw new UpstreamError("image_invalid", { state: "the picture in the answer is damaged" });
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
        throw withoutPicture(call, answer.keys);
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

/** True when the server has no route for the job in this protocol, so that nothing was drawn. */
function isRouteMissing(error: unknown): boolean {
  return (
    error instanceof UpstreamError &&
    error.code === "not_a_kserve_endpoint" &&
    ROUTE_MISSING.has(Number(error.details["upstream_status"]))
  );
}

function withoutPicture(call: FailedCall, keys: readonly string[]): UpstreamError {
  return new UpstreamError("no_image_in_response", {
    state: "the answer holds no picture",
    details: { model_name: call.modelName },
    cause: toUpstreamCause(`keys ${keys.join(", ")}`),
  });
}

function notJson(text: string): UpstreamError {
  return new UpstreamError("not_a_kserve_endpoint", {
    state: "the answer is not JSON",
    details: { hint: "KSERVE_ENDPOINT leads to something else, such as a web page or a login" },
    cause: toUpstreamCause(text),
  });
}
