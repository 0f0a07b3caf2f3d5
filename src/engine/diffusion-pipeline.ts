import { systemClock, type Clock } from "../core/clock.ts";
import { MCPImageError } from "../core/errors.ts";
import type { RgbImage } from "../core/png.ts";
import { frameImage, isReshaped } from "./framing.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { applyGuidance, isGuided, type Guidance } from "./guidance.ts";
import { chooseLatentSize, type LatentSize } from "./latent-size.ts";
import { loadModelLayout, type ModelLayout } from "./model-layout.ts";
import { loadOnnxNetwork, loadOnnxRuntime } from "./onnx-network.ts";
import { weightedSum, type Sample } from "./sample.ts";
import { createScheduler, type SchedulerName } from "./schedulers/create-scheduler.ts";
import type { SchedulerFactory } from "./schedulers/scheduler.ts";
import { TextEncoder, type PromptStates } from "./text-encoder.ts";
import { loadTokenizer } from "./tokenizer.ts";
import { TorchRandom } from "./torch-random.ts";
import { Unet } from "./unet.ts";
import { VaeDecoder } from "./vae-decoder.ts";

/** A picture of exactly the size that was asked for, and how it came about. */
export interface Generation {
  readonly image: RgbImage;
  /** The request with every default filled in. */
  readonly settings: GenerationSettings;
  /** Pixels of the picture before it was brought to its size. */
  readonly native: { readonly width: number; readonly height: number };
  readonly scheduler: SchedulerName;
  /** Our own words. */
  readonly warnings: readonly string[];
  readonly timings: GenerationTimings;
}

export interface GenerationSettings {
  readonly width: number;
  readonly height: number;
  readonly numInferenceSteps: number;
  readonly guidanceScale: number;
  readonly seed: number;
}

export interface GenerationTimings {
  readonly encodeMs: number;
  readonly denoiseMs: number;
  readonly decodeMs: number;
  readonly resizeMs: number;
}

/** Called before each call of the U-Net and once at the end; may throw to end the run. */
export type OnStep = (step: number, totalSteps: number) => void;

/** Text to picture: tokens, text encoder, denoising loop, decoder, resampling. One run at a time. */
export class DiffusionPipeline {
  readonly modelName: string;
  readonly #layout: ModelLayout;
  readonly #scheduler: { readonly name: SchedulerName; readonly start: SchedulerFactory };
  readonly #textEncoder: TextEncoder;
  readonly #unet: Unet;
  readonly #decoder: VaeDecoder;
  readonly #clock: Clock;

  private constructor(parts: PipelineParts) {
    this.modelName = parts.layout.name;
    this.#layout = parts.layout;
    this.#scheduler = createScheduler(parts.layout.schedulerConfig);
    this.#textEncoder = parts.textEncoder;
    this.#unet = parts.unet;
    this.#decoder = parts.decoder;
    this.#clock = parts.clock;
  }

  /** @throws {ConfigurationError} `configuration_invalid` naming what is missing or cannot be used */
  static async load(modelPath: string, runtimeUrl: string, clock: Clock = systemClock): Promise<DiffusionPipeline> {
    const layout = await loadModelLayout(modelPath);
    const { paths, promptLength: length, skipUnknownWords } = layout;
    const tokenizer = await loadTokenizer(paths.tokenizer, { length, skipUnknownWords });
    const runtime = await loadOnnxRuntime(runtimeUrl);
    const textEncoder = new TextEncoder(tokenizer, await loadOnnxNetwork(runtime, paths.textEncoder));
    const unet = new Unet(await loadOnnxNetwork(runtime, paths.unet));
    const decoder = new VaeDecoder(await loadOnnxNetwork(runtime, paths.vaeDecoder), layout.latents);
    return new DiffusionPipeline({ layout, textEncoder, unet, decoder, clock });
  }

  async generate(request: GenerationRequest, onStep: OnStep): Promise<Generation> {
    const { defaults, latents } = this.#layout;
    const nativePixels = latents.nativeSide * latents.pixelsPerLatent;
    const width = request.width ?? nativePixels;
    const height = request.height ?? nativePixels;
    const steps = request.numInferenceSteps ?? defaults.numInferenceSteps;
    const guidance = { scale: request.guidanceScale ?? defaults.guidanceScale, rescale: defaults.guidanceRescale };
    const warnings: string[] = [];

    const startedMs = this.#clock.monotonicMs();
    const prompts = isGuided(guidance) ? [request.negativePrompt ?? "", request.prompt] : [request.prompt];
    const conditioning = await this.#textEncoder.encode(prompts);
    warnings.push(...conditioning.warnings);
    if (request.negativePrompt !== undefined && !isGuided(guidance)) {
      warnings.push("negative_prompt has no effect while guidance_scale is 1 or less");
    }

    const encodedMs = this.#clock.monotonicMs();
    const size = chooseLatentSize({ width, height, ...latents });
    const run = this.#scheduler.start(steps);
    const usedSteps = Math.min(steps, run.timesteps.length);
    if (usedSteps < steps) warnings.push(`num_inference_steps was limited to ${usedSteps}, all that the scheduler has`);
    const random = new TorchRandom(request.seed);
    const noise = random.normals(latents.channels * size.width * size.height);
    let sample = weightedSum([run.initialNoiseScale, noise]);
    for (const [index, timestep] of run.timesteps.entries()) {
      onStep(index, run.timesteps.length);
      const input = run.scaleModelInput(sample, index);
      const modelOutput = await this.#predict(input, size, timestep, conditioning.states, guidance);
      sample = run.step({ index, modelOutput, sample, normals: (count) => random.normals(count) });
    }
    onStep(run.timesteps.length, run.timesteps.length);

    const denoisedMs = this.#clock.monotonicMs();
    const drawn = await this.#decoder.decode(sample, size);
    const decodedMs = this.#clock.monotonicMs();
    if (isReshaped(drawn, width, height)) {
      warnings.push(`drawn as ${drawn.width}x${drawn.height}, then stretched and cropped to ${width}x${height}`);
    }
    const image = frameImage(drawn, width, height);
    return {
      image,
      settings: { width, height, numInferenceSteps: usedSteps, guidanceScale: guidance.scale, seed: request.seed },
      native: { width: drawn.width, height: drawn.height },
      scheduler: this.#scheduler.name,
      warnings,
      timings: {
        encodeMs: encodedMs - startedMs,
        denoiseMs: denoisedMs - encodedMs,
        decodeMs: decodedMs - denoisedMs,
        resizeMs: this.#clock.monotonicMs() - decodedMs,
      },
    };
  }

  async #predict(
    sample: Sample,
    size: LatentSize,
    timestep: number,
    states: readonly PromptStates[],
    guidance: Guidance,
  ): Promise<Sample> {
    const [first, second] = await this.#unet.predict(sample, size, timestep, states);
    if (first === undefined) throw new MCPImageError("internal", "The U-Net gave no output");
    return second === undefined ? first : applyGuidance(guidance, first, second);
  }
}

interface PipelineParts {
  readonly layout: ModelLayout;
  readonly textEncoder: TextEncoder;
  readonly unet: Unet;
  readonly decoder: VaeDecoder;
  readonly clock: Clock;
}
