import { systemClock, type Clock } from "../core/clock.ts";
import type { RgbImage } from "../core/png.ts";
import { denoise, type OnStep } from "./denoise.ts";
import { frameImage, isReshaped } from "./framing.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { embedGuidance } from "./guidance-embedding.ts";
import { isGuided, type Guidance } from "./guidance.ts";
import { chooseLatentSize, type LatentSize } from "./latent-size.ts";
import { hasTwoEncoders } from "./model-kind.ts";
import { loadModelLayout, type ModelLayout } from "./model-layout.ts";
import { loadOnnxNetwork } from "./onnx-network.ts";
import { loadOnnxRuntime, type RuntimeSetup } from "./onnx-runtime.ts";
import { createScheduler, type SchedulerName } from "./schedulers/create-scheduler.ts";
import type { SchedulerFactory } from "./schedulers/scheduler.ts";
import { TextEncoder, toZeroStates, type EncodedPrompts, type TextEncoderPart } from "./text-encoder.ts";
import { loadTokenizer } from "./tokenizer.ts";
import { Unet, type UnetConditions } from "./unet.ts";
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

/** Text to picture: tokens, text encoder, denoising loop, decoder, resampling. One run at a time. */
export class DiffusionPipeline {
  readonly #layout: ModelLayout;
  readonly #scheduler: { readonly name: SchedulerName; readonly start: SchedulerFactory };
  readonly #textEncoder: TextEncoder;
  readonly #unet: Unet;
  readonly #decoder: VaeDecoder;
  readonly #clock: Clock;

  private constructor(parts: PipelineParts) {
    this.#layout = parts.layout;
    this.#scheduler = parts.scheduler;
    this.#textEncoder = parts.textEncoder;
    this.#unet = parts.unet;
    this.#decoder = parts.decoder;
    this.#clock = parts.clock;
  }

  /** @throws {ConfigurationError} `configuration_invalid` naming what is missing or cannot be used */
  static async load(modelPath: string, setup: RuntimeSetup, clock: Clock = systemClock): Promise<DiffusionPipeline> {
    const layout = await loadModelLayout(modelPath);
    const { paths, skipUnknownWords } = layout;
    const scheduler = createScheduler(layout.schedulerConfig);
    const tokenizers = await Promise.all(
      layout.encoders.map(async ({ tokenizer, promptLength }) =>
        loadTokenizer(tokenizer, { length: promptLength, skipUnknownWords }),
      ),
    );
    const runtime = await loadOnnxRuntime(setup);
    const parts: TextEncoderPart[] = [];
    for (const [index, tokenizer] of tokenizers.entries()) {
      parts.push({ tokenizer, network: await loadOnnxNetwork(runtime, layout.encoders[index]?.network ?? "") });
    }
    const textEncoder = new TextEncoder(parts, hasTwoEncoders(layout.kind) ? "last_but_one" : "last");
    const unet = new Unet(await loadOnnxNetwork(runtime, paths.unet), {
      hasTextTime: hasTwoEncoders(layout.kind),
      hasGuidance: layout.guidanceLength !== undefined,
    });
    const decoder = new VaeDecoder(await loadOnnxNetwork(runtime, paths.vaeDecoder), layout.latents);
    return new DiffusionPipeline({ layout, scheduler, textEncoder, unet, decoder, clock });
  }

  async generate(request: GenerationRequest, onStep: OnStep): Promise<Generation> {
    const { latents } = this.#layout;
    const { width, height, numInferenceSteps, guidanceScale, guidance } = this.#withDefaults(request);
    const warnings: string[] = [];
    const startedMs = this.#clock.monotonicMs();

    const encoded = await this.#encode(request, guidance);
    warnings.push(...encoded.warnings);
    const encodedMs = this.#clock.monotonicMs();

    const size = chooseLatentSize({ width, height, ...latents });
    const scheduler = this.#scheduler.start(numInferenceSteps);
    const steps = Math.min(numInferenceSteps, scheduler.timesteps.length);
    if (steps < numInferenceSteps) warnings.push(`num_inference_steps was limited to the scheduler's ${steps}`);
    const sample = await denoise({
      unet: this.#unet,
      scheduler,
      channels: latents.channels,
      size,
      seed: request.seed,
      states: encoded.states,
      guidance,
      conditions: this.#conditionsOf(request, size),
      onStep,
    });
    const denoisedMs = this.#clock.monotonicMs();

    const drawn = await this.#decoder.decode(sample, size);
    const decodedMs = this.#clock.monotonicMs();
    if (isReshaped(drawn, width, height)) {
      warnings.push(`drawn as ${drawn.width}x${drawn.height}, then stretched and cropped to ${width}x${height}`);
    }
    const image = frameImage(drawn, width, height);
    return {
      image,
      settings: { width, height, numInferenceSteps: steps, guidanceScale, seed: request.seed },
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

  /** The negative prompt first, where there is guidance. */
  async #encode({ prompt, negativePrompt }: GenerationRequest, guidance: Guidance): Promise<EncodedPrompts> {
    if (!isGuided(guidance)) {
      const { states, warnings } = await this.#textEncoder.encode([prompt]);
      if (negativePrompt === undefined) return { states, warnings };
      const reason =
        this.#layout.guidanceLength === undefined ? "while guidance_scale is 1 or less" : "on a model of this kind";
      return { states, warnings: [...warnings, `negative_prompt has no effect ${reason}`] };
    }
    if (negativePrompt !== undefined || !this.#layout.zeroEmptyPrompt) {
      return this.#textEncoder.encode([negativePrompt ?? "", prompt]);
    }
    const { states, warnings } = await this.#textEncoder.encode([prompt]);
    return { states: [...states.map(toZeroStates), ...states], warnings };
  }

  #conditionsOf(
    { guidanceScale = this.#layout.defaults.guidanceScale }: GenerationRequest,
    size: LatentSize,
  ): UnetConditions {
    const { guidanceLength, latents } = this.#layout;
    const [height, width] = [size.height * latents.pixelsPerLatent, size.width * latents.pixelsPerLatent];
    return {
      // Original size, cut nowhere, wanted size: each as height, then width.
      ...(hasTwoEncoders(this.#layout.kind) && { timeIds: [height, width, 0, 0, height, width] }),
      ...(guidanceLength !== undefined && { guidanceEmbedding: embedGuidance(guidanceScale, guidanceLength) }),
    };
  }

  #withDefaults(request: GenerationRequest): Omit<GenerationSettings, "seed"> & { readonly guidance: Guidance } {
    const { defaults, latents, guidanceLength } = this.#layout;
    const nativePixels = latents.nativeSide * latents.pixelsPerLatent;
    const guidanceScale = request.guidanceScale ?? defaults.guidanceScale;
    return {
      width: request.width ?? nativePixels,
      height: request.height ?? nativePixels,
      numInferenceSteps: request.numInferenceSteps ?? defaults.numInferenceSteps,
      guidanceScale,
      // A network that takes the guidance itself needs no second, negative pass.
      guidance: { scale: guidanceLength === undefined ? guidanceScale : 1, rescale: defaults.guidanceRescale },
    };
  }
}

interface PipelineParts {
  readonly layout: ModelLayout;
  readonly scheduler: { readonly name: SchedulerName; readonly start: SchedulerFactory };
  readonly textEncoder: TextEncoder;
  readonly unet: Unet;
  readonly decoder: VaeDecoder;
  readonly clock: Clock;
}
