import { getLogger } from "../logging/logger.ts";
import type { V1Instance, V1OptionalKey } from "../wire/v1.ts";
import type { GeneratedImage, GenerateImageRequest } from "./generated-image.ts";
import type { ModelServer, Prediction, PredictOptions } from "./model-server.ts";
import { RefusedKeyError } from "./upstream-error.ts";
import {
  readEngineReport,
  readEngineWarnings,
  toOptionalKey,
  toRefusalWarnings,
  toSeedReport,
  toV1Instance,
} from "./v1-job.ts";

const logger = getLogger("kserve");

/** Draws pictures, and learns which parameters a model's code does not take. */
export class PictureJobs {
  readonly #server: ModelServer;
  readonly #trustWarnings: boolean;
  readonly #refusedKeys = new Map<string, Set<V1OptionalKey>>();

  constructor(options: { readonly server: ModelServer; readonly trustWarnings: boolean }) {
    this.#server = options.server;
    this.#trustWarnings = options.trustWarnings;
  }

  /**
   * Draws one picture. A parameter that the model refuses by name is left out, remembered, and the job sent again: the
   * refusal proves that nothing was drawn.
   *
   * @throws {KServeError}
   */
  async draw(
    modelName: string,
    request: GenerateImageRequest,
    seed: number,
    options: PredictOptions,
  ): Promise<GeneratedImage> {
    const refusedKeys = this.#refusedKeys.get(modelName) ?? new Set();
    this.#refusedKeys.set(modelName, refusedKeys);
    for (;;) {
      const instance = toV1Instance(request, seed, refusedKeys);
      try {
        const prediction = await this.#server.predict(modelName, instance, options);
        return this.#toGeneratedImage(modelName, request, instance, seed, prediction);
      } catch (error) {
        const key = error instanceof RefusedKeyError ? toOptionalKey(error.key) : undefined;
        if (key === undefined || instance[key] === undefined) throw error;
        refusedKeys.add(key);
        logger.warn("kserve_parameter_dropped", { model_name: modelName, parameter: key });
      }
    }
  }

  #toGeneratedImage(
    modelName: string,
    request: GenerateImageRequest,
    sent: V1Instance,
    seed: number,
    prediction: Prediction,
  ): GeneratedImage {
    const { imageData, format, width, height, report } = prediction;
    const refusedKeys = this.#refusedKeys.get(modelName) ?? new Set();
    const seedReport = toSeedReport(request.seed, sent.seed, report);
    return {
      imageData,
      format,
      metadata: {
        prompt: request.prompt,
        ...(sent.negative_prompt !== undefined && { negative_prompt: sent.negative_prompt }),
        width,
        height,
        ...(sent.num_inference_steps !== undefined && { num_inference_steps: sent.num_inference_steps }),
        ...(sent.guidance_scale !== undefined && { guidance_scale: sent.guidance_scale }),
        seed: seedReport.echoed ?? seed,
        seed_report: seedReport,
        model_name: modelName,
        generation_seconds: Math.round(prediction.elapsedMs) / 1000,
        warnings: [
          ...toRefusalWarnings(request, refusedKeys),
          ...prediction.warnings,
          ...(this.#trustWarnings ? readEngineWarnings(report) : []),
        ],
        ...(this.#trustWarnings && { engine: readEngineReport(report) }),
      },
    };
  }
}
