import type { ModelProfileName, ProtocolName } from "../config/settings.ts";
import type { V2Mapping } from "../config/v2-mapping.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { KServeError } from "../core/errors.ts";
import { systemRandom, type Random } from "../core/random.ts";
import { getLogger } from "../logging/logger.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import type { EndpointAccess } from "./endpoint-access.ts";
import { chooseModelName, chooseProtocol, parseEndpoint, type Endpoint } from "./endpoint.ts";
import type {
  GeneratedImage,
  GenerateImageOptions,
  GenerateImageRequest,
  GenerationProgress,
  ImageGenerator,
  Upstream,
  WaitUntilIdleOptions,
} from "./generated-image.ts";
import { HttpTransport } from "./http-transport.ts";
import { applyModelProfile, chooseModelProfile, type ModelProfile } from "./model-profiles.ts";
import { ModelServer, type CallOptions, type AnswerReader } from "./model-server.ts";
import { PhaseTimer } from "./phase-timer.ts";
import { PictureJobs, type PayloadOptions } from "./picture-jobs.ts";
import { ProtocolChooser } from "./protocols/protocol-chooser.ts";
import { Retries } from "./retries.ts";
import { RetryBudget } from "./retry-budget.ts";
import { toSameOriginPath } from "./same-origin-path.ts";
import { ServedModel, type ModelDescription } from "./served-model.ts";
import { UpstreamError } from "./upstream-error.ts";
import { noObserver, type UpstreamObserver } from "./upstream-observer.ts";

export interface KServeClientOptions extends EndpointAccess, PayloadOptions {
  /** The InferenceService: `https://host`, with a path prefix, or as far as the URL of the job itself. */
  readonly endpoint: string;
  /** Default: the only model served, else `stable-diffusion`. */
  readonly modelName?: string | undefined;
  /** How long one picture may take, from the send to the answer. Default 60. */
  readonly timeoutSeconds?: number;
  /** Repeats of a job that provably was not executed. Default 3; 0 also means not to wait for a model that loads. */
  readonly maxRetries?: number;
  /** Default 10 MiB. */
  readonly maxImageBytes?: number;
  /** The whole call: waking, drawing and every retry. Default: 300 s for a cold start, and `timeoutSeconds`. */
  readonly deadlineSeconds?: number;
  /** A Unix socket or named pipe to connect to; of the endpoint only the path then counts. */
  readonly socketPath?: string | undefined;
  /** Fills in what a request leaves open, all of it or a part. Default: `runtime`, which fills in nothing. */
  readonly modelProfile?: ModelProfileName | Partial<ModelProfile> | undefined;
  readonly clock?: Clock;
  readonly random?: Random;
  /** True for an engine of our own: its warnings and reported values are passed on. Default false. */
  readonly trustWarnings?: boolean;
  /** Counts requests and follows the state of the circuit. */
  readonly observer?: UpstreamObserver | undefined;
  /** Lends the memory for pictures: `GeneratedImage.memory` says when. Default: it is fresh. */
  readonly pool?: BufferPool;
  /** Reads long answers, such as lists of pixels, on another thread. Default: the calling one does. */
  readonly readAside?: AnswerReader;
  /** Default `auto`: what the endpoint's URL ends with, else found out by GET. */
  readonly protocol?: ProtocolName | "auto";
  /** How a V2 model names its tensors. Default: as its metadata says. */
  readonly v2Mapping?: V2Mapping | undefined;
  /** Whether a picture that an answer only points to is fetched, from the endpoint alone. Default false. */
  readonly allowsUrlFetch?: boolean;
}

interface SignalOptions {
  readonly signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_SECONDS = 60;
const DEFAULT_MAX_RETRIES = 3;
const DEFAULT_MAX_IMAGE_BYTES = 10 * 1024 * 1024;
/** A cold start on a GPU node: schedule, pull, load. */
const WAKE_ALLOWANCE_SECONDS = 300;
/** Any time will do. */
const KEEP_ALIVE_MS = 60_000;
/** Characters that a request id may have on the wire. */
const OUTSIDE_REQUEST_ID = /[^\w.:-]/g;
const MAX_REQUEST_ID = 128;
/** W3C Trace Context, section 3.2. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

const logger = getLogger("kserve");

/**
 * Draws pictures with a text-to-image model behind KServe or a server of its protocols. A job is sent again only when it provably was
 * not executed: after a timeout or a lost connection the model may still be drawing, and a second job would only wait
 * behind the first.
 */
export class KServeClient implements ImageGenerator, AsyncDisposable {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #timeoutMs: number;
  readonly #deadlineMs: number;
  readonly #maxRetries: number;
  readonly #modelProfile: ModelProfileName | Partial<ModelProfile>;
  readonly #transport: HttpTransport;
  readonly #model: ServedModel;
  readonly #jobs: PictureJobs;
  readonly #circuit: CircuitBreaker;
  readonly #server: Upstream["server"];
  readonly #retryBudget = new RetryBudget();
  readonly #inFlight = new Set<Promise<unknown>>();
  #hasGenerated = false;

  /** @throws {ConfigurationError} `configuration_invalid` naming KSERVE_ENDPOINT, KSERVE_MODEL_NAME or KSERVE_PROTOCOL */
  constructor(options: KServeClientOptions) {
    const { clock = systemClock, random = systemRandom, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = options;
    const {
      maxRetries = DEFAULT_MAX_RETRIES,
      maxImageBytes = DEFAULT_MAX_IMAGE_BYTES,
      observer = noObserver,
    } = options;
    const endpoint = parseEndpoint(options.endpoint);
    const fixedName = chooseModelName(endpoint, options.modelName);
    this.#clock = clock;
    this.#random = random;
    this.#timeoutMs = timeoutSeconds * 1000;
    this.#deadlineMs = (options.deadlineSeconds ?? WAKE_ALLOWANCE_SECONDS + timeoutSeconds) * 1000;
    this.#maxRetries = maxRetries;
    this.#modelProfile = options.modelProfile ?? "runtime";
    this.#transport = new HttpTransport({ endpoint, socketPath: options.socketPath, access: options, observer });
    this.#circuit = new CircuitBreaker({ clock, observer });
    this.#server = options.socketPath === undefined ? serverOf(endpoint) : undefined;
    const { pool, readAside, protocol = "auto", v2Mapping: mapping, allowsUrlFetch = false } = options;
    const fixed = chooseProtocol(endpoint, protocol);
    const server = new ModelServer({
      transport: this.#transport,
      protocols: new ProtocolChooser({ endpoint, fixed, mapping, nowMs: () => clock.nowMs() }),
      toFetchPath: (address) => (allowsUrlFetch ? toSameOriginPath(address, endpoint) : undefined),
      clock,
      maxImageBytes,
      pool,
      readAside,
    });
    this.#model = new ServedModel({ server, clock, random, fixedName, waitsForLoading: maxRetries > 0 });
    this.#jobs = new PictureJobs({
      server,
      clock,
      trustWarnings: options.trustWarnings ?? false,
      payload: options,
    });
  }

  /**
   * Draws one picture and verifies it. Absent parameters are left to the model; a seed is drawn when none is given.
   *
   * @throws {KServeError} `cancelled` as soon as the caller's signal aborts, else a code of the model server; with
   *   `details.maybe_running` the job may still be running there
   */
  async generateImage(request: GenerateImageRequest, options: GenerateImageOptions = {}): Promise<GeneratedImage> {
    const work = this.#withDeadline(request, options);
    this.#inFlight.add(work);
    // The clock's timers let a process end, which in a script would end it inside a pause between two attempts.
    const keepAlive = setInterval(() => undefined, KEEP_ALIVE_MS);
    try {
      return await work;
    } finally {
      clearInterval(keepAlive);
      this.#inFlight.delete(work);
    }
  }

  /** The name that pictures are asked of, as far as it is known without asking the endpoint. */
  get modelName(): string | undefined {
    return this.#model.knownName;
  }

  get upstream(): Upstream {
    return { modelName: this.modelName, server: this.#server };
  }

  /** True when the model is ready or busy and jobs are sent to it; never throws. */
  async healthCheck(options: SignalOptions = {}): Promise<boolean> {
    if (await this.#isShut(options)) return false;
    const { state } = await this.describeModel(options);
    // A server without the readiness route has proven itself by a picture.
    return state === "ready" || state === "busy" || (state === "unknown" && this.#hasGenerated);
  }

  /** Asks the endpoint for its models and the readiness of ours; never throws, takes at most 4 s. */
  async describeModel(options: SignalOptions = {}): Promise<ModelDescription> {
    return this.#model.describe(this.#toCall(options));
  }

  /** A runtime that draws on the thread that answers is silent for as long as it draws, so any answer means idle. */
  async waitUntilIdle({ signal, estimatedMs }: WaitUntilIdleOptions): Promise<void> {
    const estimate = new AbortController();
    const call = this.#toCall({ signal: AbortSignal.any([signal, estimate.signal]) });
    const timer = new PhaseTimer(this.#clock);
    timer.start(estimatedMs, () => estimate.abort());
    try {
      await this.#model.askAside(call, estimatedMs);
    } finally {
      timer.stop();
    }
  }

  /**
   * The name that pictures are asked of: the configured one, else the only one served, else `stable-diffusion`.
   *
   * @throws {KServeError} when the endpoint cannot be asked
   */
  async resolveModelName(options: SignalOptions = {}): Promise<string> {
    return this.#model.resolveName(this.#toCall(options));
  }

  /** Waits for the pictures in flight, then closes the connections. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
    this.#transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Whether jobs are held back; a health check that comes when a question is due asks it. */
  async #isShut(options: SignalOptions): Promise<boolean> {
    try {
      await this.#circuit.enter(async () => this.#model.isAnswering(this.#toCall(options)));
      return false;
    } catch {
      return true;
    }
  }

  async #withDeadline(request: GenerateImageRequest, options: GenerateImageOptions): Promise<GeneratedImage> {
    const deadline = new AbortController();
    const timer = new PhaseTimer(this.#clock);
    timer.start(this.#deadlineMs, () => deadline.abort(deadlineOver(this.#deadlineMs)));
    const signals = options.signal ? [options.signal, deadline.signal] : [deadline.signal];
    try {
      return await this.#generate(request, options, AbortSignal.any(signals));
    } catch (error) {
      if (!options.signal?.aborted) throw error;
      throw new KServeError("cancelled", "Cannot generate the image: the caller gave up", { cause: error });
    } finally {
      timer.stop();
    }
  }

  async #generate(
    request: GenerateImageRequest,
    options: GenerateImageOptions,
    signal: AbortSignal,
  ): Promise<GeneratedImage> {
    const onProgress = toSafeListener(options.onProgress);
    const seed = request.seed ?? this.#random.uint32();
    const startedAtMs = this.#clock.monotonicMs();
    const deadlineAtMs = startedAtMs + this.#deadlineMs;
    // Waking leaves the picture its time, or half of a deadline that is too short for both.
    const wakeMs = this.#deadlineMs > this.#timeoutMs ? this.#deadlineMs - this.#timeoutMs : this.#deadlineMs / 2;
    const call = this.#toCall({ ...options, signal });
    const { knownName } = this.#model;
    // Nobody waits for a cold start to hear that the size is wrong.
    if (knownName !== undefined) this.#jobs.checkSize(knownName, this.#fillIn(request, knownName));
    const retries = new Retries({
      maxRetries: this.#maxRetries,
      budget: this.#retryBudget,
      clock: this.#clock,
      random: this.#random,
      deadlineAtMs,
      signal,
      onProgress,
    });
    for (;;) {
      try {
        signal.throwIfAborted();
        await this.#circuit.enter(async () => this.#model.isAnswering(call));
        const modelName = await this.#model.awaken({
          ...call,
          endAtMs: startedAtMs + wakeMs,
          onWaking: () => onProgress({ phase: "waking" }),
        });
        const job = { modelName, asked: request, request: this.#fillIn(request, modelName), seed };
        const image = await this.#jobs.draw(job, {
          ...call,
          limitMs: this.#timeoutMs,
          onSent: () => onProgress({ phase: "generating" }),
          onStep: (step, totalSteps) => onProgress({ phase: "generating", step, totalSteps }),
        });
        this.#model.noteAwake();
        this.#circuit.noteSuccess();
        this.#retryBudget.noteSuccess();
        this.#hasGenerated = true;
        return image;
      } catch (error) {
        this.#model.noteFailure();
        this.#circuit.noteFailure(error);
        await retries.pauseAfter(await this.#model.explain(error, call));
      }
    }
  }

  #fillIn(request: GenerateImageRequest, modelName: string): GenerateImageRequest {
    const profile = this.#modelProfile;
    return applyModelProfile(request, typeof profile === "string" ? chooseModelProfile(profile, modelName) : profile);
  }

  #toCall(options: Pick<GenerateImageOptions, "signal" | "requestId" | "traceparent">): Omit<CallOptions, "limitMs"> {
    const { requestId, signal = new AbortController().signal, traceparent } = options;
    return {
      requestId: requestId?.replace(OUTSIDE_REQUEST_ID, "").slice(0, MAX_REQUEST_ID) || this.#createRequestId(),
      signal,
      ...(traceparent !== undefined && TRACEPARENT.test(traceparent) && { traceparent }),
    };
  }

  #createRequestId(): string {
    return Buffer.from(this.#random.bytes(16)).toString("hex");
  }
}

/** A listener whose failure costs no picture. */
function toSafeListener(listener: GenerateImageOptions["onProgress"]): (progress: GenerationProgress) => void {
  return (progress) => {
    try {
      listener?.(progress);
    } catch (error) {
      logger.warn("progress_listener_failed", { error });
    }
  };
}

function serverOf({ hostname, port, isSecure }: Endpoint): Upstream["server"] {
  return { hostname, port: port ?? (isSecure ? 443 : 80) };
}

function deadlineOver(deadlineMs: number): UpstreamError {
  return new UpstreamError("upstream_timeout", {
    state: `the deadline of ${deadlineMs / 1000} s is over`,
    details: { elapsed_seconds: deadlineMs / 1000, maybe_running: true },
  });
}
