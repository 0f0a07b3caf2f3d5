import type { Clock } from "../core/clock.ts";
import type { JsonObject } from "../core/json.ts";
import { getLogger } from "../logging/logger.ts";
import type { V1Instance, V1OptionalKey } from "../wire/v1.ts";
import { fitSize, type SizePolicy } from "./fit-size.ts";
import type { GeneratedImage, GenerateImageRequest } from "./generated-image.ts";
import { LearnedModels, type LearnedModel } from "./learned-models.ts";
import type { ModelServer, Prediction, PredictOptions } from "./model-server.ts";
import { MissingSchedulerError, RefusedSizeError } from "./repairable-error.ts";
import { RefusedKeyError } from "./upstream-error.ts";
import {
  readEngineReport,
  readEngineWarnings,
  toOptionalKey,
  toRefusalWarnings,
  toSeedReport,
  toV1Instance,
} from "./v1-job.ts";

/** What is sent beside, or instead of, what a caller gives. */
export interface PayloadOptions {
  /** Default `error`. */
  readonly sizePolicy?: SizePolicy | undefined;
  /** Sent to a runtime that insists on a scheduler. Default `Euler`. */
  readonly scheduler?: string | undefined;
  /** Sent with every job; they win over the caller's, except over the prompt. */
  readonly extraParams?: JsonObject | undefined;
  /** Keys of a job that are never sent. */
  readonly omitParams?: readonly string[] | undefined;
}

export interface PictureJobsOptions {
  readonly server: ModelServer;
  readonly clock: Clock;
  readonly trustWarnings: boolean;
  readonly payload: PayloadOptions;
}

/** One picture to draw. */
export interface PictureJob {
  readonly modelName: string;
  /** What the caller gave. */
  readonly asked: GenerateImageRequest;
  /** The same, filled in by the model's profile. */
  readonly request: GenerateImageRequest;
  readonly seed: number;
}

/** More than there are things to learn of one model. */
const MAX_REPAIRS = 10;
const DEFAULT_SCHEDULER = "Euler";

const logger = getLogger("kserve");

/** Draws pictures, and learns which parameters and sizes a model's code takes. */
export class PictureJobs {
  readonly #server: ModelServer;
  readonly #trustWarnings: boolean;
  readonly #payload: PayloadOptions;
  readonly #omittedKeys: ReadonlySet<V1OptionalKey>;
  readonly #learned: LearnedModels;

  constructor({ server, clock, trustWarnings, payload }: PictureJobsOptions) {
    this.#server = server;
    this.#trustWarnings = trustWarnings;
    this.#payload = payload;
    this.#omittedKeys = new Set((payload.omitParams ?? []).flatMap((name) => toOptionalKey(name) ?? []));
    this.#learned = new LearnedModels(clock);
  }

  /** Refuses a size that the model is known not to draw. @throws {UpstreamError} `upstream_rejected` */
  checkSize(modelName: string, request: GenerateImageRequest): void {
    this.#fit(request, this.#learned.get(modelName));
  }

  /**
   * Draws one picture. What the model refuses is put right, remembered, and the job sent again: the refusal proves that
   * nothing was drawn.
   *
   * @throws {KServeError}
   */
  async draw(job: PictureJob, options: PredictOptions): Promise<GeneratedImage> {
    const model = this.#learned.get(job.modelName);
    for (let repairs = 0; ; repairs++) {
      const { request, warnings } = this.#fit(job.request, model);
      const instance = this.#toInstance(request, job.seed, model);
      try {
        const prediction = await this.#server.predict(job.modelName, instance, options);
        return this.#toGeneratedImage(job, instance, prediction, [...warnings, ...this.#toWarnings(job.asked, model)]);
      } catch (error) {
        const lesson = repairs < MAX_REPAIRS ? this.#learn(error, instance, model) : undefined;
        if (lesson === undefined) throw this.#explain(error);
        logger.warn("kserve_payload_repaired", { model_name: job.modelName, ...lesson });
      }
    }
  }

  #fit(request: GenerateImageRequest, model: LearnedModel): ReturnType<typeof fitSize> {
    return fitSize(request, model.sizeMultiple, this.#payload.sizePolicy ?? "error");
  }

  #toInstance(request: GenerateImageRequest, seed: number, model: LearnedModel): V1Instance {
    const { extraParams, scheduler = DEFAULT_SCHEDULER } = this.#payload;
    return {
      ...toV1Instance(request, seed, this.#leftOut(model)),
      ...(model.wantsScheduler && { scheduler }),
      ...extraParams,
      prompt: request.prompt,
    };
  }

  /** What an answer teaches of the model; `undefined` when nothing can be put right. */
  #learn(error: unknown, sent: V1Instance, model: LearnedModel): Readonly<Record<string, string | number>> | undefined {
    if (error instanceof RefusedKeyError) {
      const key = toOptionalKey(error.key);
      if (key === undefined || sent[key] === undefined || this.#isExtra(key)) return undefined;
      model.refusedKeys.add(key);
      return { left_out: key };
    }
    if (error instanceof RefusedSizeError) {
      const { width = 0, height = 0 } = sent;
      if (width % error.multiple === 0 && height % error.multiple === 0) return undefined;
      model.sizeMultiple = error.multiple;
      return { size_multiple: error.multiple };
    }
    if (!(error instanceof MissingSchedulerError) || model.wantsScheduler || this.#isExtra("scheduler"))
      return undefined;
    if (this.#payload.omitParams?.includes("scheduler")) return undefined;
    model.wantsScheduler = true;
    return { added: "scheduler" };
  }

  #leftOut(model: LearnedModel): ReadonlySet<V1OptionalKey> {
    return new Set([...model.refusedKeys, ...this.#omittedKeys]);
  }

  #isExtra(name: string): boolean {
    return Object.hasOwn(this.#payload.extraParams ?? {}, name);
  }

  #explain(error: unknown): unknown {
    if (error instanceof RefusedKeyError && this.#isExtra(error.key)) {
      return error.withDetails({ hint: `Take ${error.key} out of KSERVE_EXTRA_PARAMS` });
    }
    if (error instanceof MissingSchedulerError) {
      return error.withDetails({
        hint: "Set KSERVE_SCHEDULER to a scheduler that the runtime knows, such as DPM++ 2M",
      });
    }
    return error;
  }

  #toWarnings(asked: GenerateImageRequest, model: LearnedModel): string[] {
    const { scheduler = DEFAULT_SCHEDULER } = this.#payload;
    return [
      ...toRefusalWarnings(asked, this.#leftOut(model)),
      ...(model.wantsScheduler ? [`The runtime insists on a scheduler; ${scheduler} was sent`] : []),
    ];
  }

  #toGeneratedImage(
    { modelName, asked, seed }: PictureJob,
    sent: V1Instance,
    prediction: Prediction,
    warnings: readonly string[],
  ): GeneratedImage {
    const { imageData, memory, format, width, height, report } = prediction;
    const seedReport = toSeedReport(asked.seed, toNumber(sent.seed), report);
    // Where nothing was sent the model's own values held, which only an engine of ours is believed about.
    const own: JsonObject = this.#trustWarnings ? report : {};
    const numInferenceSteps = toNumber(sent.num_inference_steps) ?? toNumber(own["num_inference_steps"]);
    const guidanceScale = toNumber(sent.guidance_scale) ?? toNumber(own["guidance_scale"]);
    return {
      imageData,
      ...(memory && { memory }),
      format,
      metadata: {
        prompt: asked.prompt,
        ...(typeof sent.negative_prompt === "string" && { negative_prompt: sent.negative_prompt }),
        width,
        height,
        ...(numInferenceSteps !== undefined && { num_inference_steps: numInferenceSteps }),
        ...(guidanceScale !== undefined && { guidance_scale: guidanceScale }),
        seed: seedReport.echoed ?? seedReport.sent ?? seed,
        seed_report: seedReport,
        model_name: modelName,
        generation_seconds: Math.round(prediction.elapsedMs) / 1000,
        warnings: [...warnings, ...prediction.warnings, ...(this.#trustWarnings ? readEngineWarnings(report) : [])],
        ...(this.#trustWarnings && { engine: readEngineReport(report) }),
      },
    };
  }
}

/** An operator's own value may be of any kind. */
function toNumber(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
