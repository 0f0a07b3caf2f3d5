import { KServeError } from "../core/errors.ts";
import { DEFAULT_MODEL_NAME } from "../config/settings.ts";
import type { GeneratedImage, GenerateImageOptions, GenerateImageRequest } from "../kserve/generated-image.ts";
import { KServeClient, type KServeClientOptions } from "../kserve/kserve-client.ts";
import { applyModelProfile, GENERATION_DEFAULTS } from "../kserve/model-profiles.ts";
import type { ModelDescription } from "../kserve/served-model.ts";
import { drawTestPicture } from "./test-picture.ts";

/** The seed of a mock picture when none was asked for. */
const MOCK_SEED = 42;

/** A `KServeClient` without any network: it draws small pictures of one colour and remembers what it was asked. */
export class MockKServeClient extends KServeClient {
  readonly generateImageCalls: GenerateImageRequest[] = [];
  /** Given for every call instead of a picture of its own. */
  mockResponse: GeneratedImage | undefined;
  /** True fails with `upstream_error`; an error is thrown as it is. */
  shouldFail: boolean | KServeError = false;
  readonly #modelName: string;

  constructor(options: Partial<KServeClientOptions> = {}) {
    super({ endpoint: "http://kserve.invalid", ...options });
    this.#modelName = options.modelName ?? DEFAULT_MODEL_NAME;
  }

  override async generateImage(
    request: GenerateImageRequest,
    options: GenerateImageOptions = {},
  ): Promise<GeneratedImage> {
    this.generateImageCalls.push(request);
    if (options.signal?.aborted) throw new KServeError("cancelled", "Cannot generate the image: the caller gave up");
    if (this.shouldFail instanceof KServeError) throw this.shouldFail;
    if (this.shouldFail) throw new KServeError("upstream_error", "Cannot generate the image: the mock shall fail");
    options.onProgress?.({ phase: "generating" });
    return this.mockResponse ?? this.#draw(request);
  }

  override async healthCheck(): Promise<boolean> {
    return this.shouldFail === false;
  }

  override async waitUntilIdle(): Promise<void> {
    // A mock is never busy.
  }

  override async describeModel(): Promise<ModelDescription> {
    const state = this.shouldFail === false ? "ready" : "unavailable";
    return { modelName: this.#modelName, servedModels: [this.#modelName], state };
  }

  override async resolveModelName(): Promise<string> {
    return this.#modelName;
  }

  #draw(request: GenerateImageRequest): GeneratedImage {
    const { prompt, negativePrompt, width, height, numInferenceSteps, guidanceScale } = applyModelProfile(
      request,
      GENERATION_DEFAULTS,
    );
    const seed = request.seed ?? MOCK_SEED;
    return {
      imageData: drawTestPicture({ prompt, width, height, seed }),
      format: "png",
      metadata: {
        prompt,
        ...(negativePrompt !== undefined && { negative_prompt: negativePrompt }),
        width,
        height,
        num_inference_steps: numInferenceSteps,
        guidance_scale: guidanceScale,
        seed,
        seed_report: { requested: request.seed ?? null, sent: seed, echoed: seed, honoured: true },
        model_name: this.#modelName,
        generation_seconds: 0,
        warnings: [],
      },
    };
  }
}
