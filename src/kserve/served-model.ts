import type { Clock } from "../core/clock.ts";
import { KServeError, type ErrorCode } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { DEFAULT_MODEL_NAME } from "../config/settings.ts";
import { isSilence, type CallOptions, type ModelServer, type Readiness } from "./model-server.ts";
import { toBackoffMs } from "./retries.ts";
import { UpstreamError } from "./upstream-error.ts";

/** What an endpoint says of its model. */
export interface ModelDescription {
  readonly modelName: string;
  /** `undefined`: the endpoint does not list its models. */
  readonly servedModels: readonly string[] | undefined;
  /** `busy`: it accepts connections but is silent, as runtimes are while they draw. */
  readonly state: Readiness | "unavailable";
  /** Why it is unavailable, such as `model_not_found`. */
  readonly errorCode?: ErrorCode;
}

export interface ServedModelOptions {
  readonly server: ModelServer;
  readonly clock: Clock;
  readonly random: Random;
  /** What the operator fixed. */
  readonly fixedName: string | undefined;
  /** Whether a model that is still loading is worth waiting for. */
  readonly waitsForLoading: boolean;
}

export interface AwakenOptions extends Omit<CallOptions, "limitMs"> {
  /** On the monotonic clock. */
  readonly endAtMs: number;
  readonly onWaking: () => void;
}

/** A question asked on the side must not hold anybody up. */
const ASIDE_LIMIT_MS = 2000;
/** A model that answered within this time is awake. */
const AWAKE_MS = 60_000;
const MAX_LISTED = 20;
const MAX_LISTED_NAME = 100;

/** The one model that a client draws with: its name, and whether it is awake. */
export class ServedModel {
  readonly #options: ServedModelOptions;
  #foundName: string | undefined;
  #awakeUntilMs = -Infinity;

  constructor(options: ServedModelOptions) {
    this.#options = options;
  }

  /** The fixed or found name; `undefined` before the endpoint was asked. */
  get knownName(): string | undefined {
    return this.#options.fixedName ?? this.#foundName;
  }

  /**
   * The fixed name, else the only one served, else `stable-diffusion`.
   *
   * @throws {UpstreamError} when the endpoint cannot be asked
   */
  async resolveName(call: Omit<CallOptions, "limitMs">, limitMs = ASIDE_LIMIT_MS): Promise<string> {
    if (this.knownName !== undefined) return this.knownName;
    let served: readonly string[] | undefined;
    try {
      served = await this.#options.server.listModels({ ...call, limitMs });
    } catch (error) {
      if (!isSilence(error)) throw error;
    }
    if (served?.length === 1) this.#foundName = served[0];
    return this.#foundName ?? DEFAULT_MODEL_NAME;
  }

  /**
   * Resolves with the model's name once it is ready, or when only a job will tell. Unless it answered within the last
   * minute, it is asked by GET, which may be held and repeated without harm; a job may not.
   *
   * @throws {UpstreamError} `model_not_found`, `model_not_ready`, or why the endpoint cannot be asked
   */
  async awaken(options: AwakenOptions): Promise<string> {
    const { clock, random, server } = this.#options;
    const { endAtMs, onWaking, ...call } = options;
    const restMs = (): number => Math.max(endAtMs - clock.monotonicMs(), ASIDE_LIMIT_MS);
    const isAwake = clock.monotonicMs() < this.#awakeUntilMs;
    if (!isAwake) onWaking();
    const modelName = await this.resolveName(call, restMs());
    if (isAwake) return modelName;
    for (let repeats = 0; ; repeats++) {
      const readiness = await server.probe(modelName, { ...call, limitMs: restMs() });
      if (readiness === "ready") this.noteAwake();
      if (readiness !== "not_ready") return modelName;
      const delayMs = toBackoffMs(repeats, random);
      if (!this.#options.waitsForLoading || clock.monotonicMs() + delayMs >= endAtMs) throw stillLoading(modelName);
      onWaking();
      await clock.sleep(delayMs, call.signal);
    }
  }

  noteAwake(): void {
    this.#awakeUntilMs = this.#options.clock.monotonicMs() + AWAKE_MS;
  }

  /** After a failure the model is asked again before the next job. */
  noteFailure(): void {
    this.#awakeUntilMs = -Infinity;
  }

  /** An error of the address or the name, with the names that the endpoint does serve. */
  async explain(error: unknown, call: Omit<CallOptions, "limitMs">): Promise<unknown> {
    if (!(error instanceof UpstreamError) || error.details["upstream_status"] !== 404) return error;
    this.#foundName = undefined;
    const served = await this.#listAside(call);
    return served ? error.withDetails({ served_models: served.slice(0, MAX_LISTED).map(shorten) }) : error;
  }

  /** Resolves with any answer to a question of readiness, or with its failure, or after `limitMs`; never throws. */
  async askAside(call: Omit<CallOptions, "limitMs">, limitMs: number): Promise<void> {
    const modelName = this.knownName ?? DEFAULT_MODEL_NAME;
    await this.#options.server.probe(modelName, { ...call, limitMs }).catch(() => undefined);
  }

  /** Whether the server answers again, be it that it is busy; throws only what the call's signal gives as its reason. */
  async isAnswering(call: Omit<CallOptions, "limitMs">): Promise<boolean> {
    const modelName = this.knownName ?? DEFAULT_MODEL_NAME;
    try {
      return (await this.#options.server.probe(modelName, { ...call, limitMs: ASIDE_LIMIT_MS })) !== "not_ready";
    } catch (error) {
      call.signal.throwIfAborted();
      // Another name than the one guessed here.
      return error instanceof KServeError && error.code === "model_not_found";
    }
  }

  /** Never throws; takes at most 4 s. */
  async describe(call: Omit<CallOptions, "limitMs">): Promise<ModelDescription> {
    const listing = this.#listAside(call);
    const modelName = this.#knownName ?? this.#chooseName(await listing);
    try {
      const state = await this.#options.server.probe(modelName, { ...call, limitMs: ASIDE_LIMIT_MS });
      return { modelName, servedModels: await listing, state };
    } catch (error) {
      const errorCode = error instanceof KServeError ? error.code : "internal";
      return { modelName, servedModels: await listing, state: "unavailable", errorCode };
    }
  }

  get #knownName(): string | undefined {
    return this.#options.fixedName ?? this.#foundName;
  }

  #chooseName(served: readonly string[] | undefined): string {
    if (served?.length === 1) this.#foundName = served[0];
    return this.#foundName ?? DEFAULT_MODEL_NAME;
  }

  async #listAside(call: Omit<CallOptions, "limitMs">): Promise<readonly string[] | undefined> {
    return this.#options.server.listModels({ ...call, limitMs: ASIDE_LIMIT_MS }).catch(() => undefined);
  }
}

function stillLoading(modelName: string): UpstreamError {
  return new UpstreamError("model_not_ready", {
    state: "the model is still loading",
    details: { model_name: modelName },
  });
}

function shorten(name: string): string {
  return name.slice(0, MAX_LISTED_NAME);
}
