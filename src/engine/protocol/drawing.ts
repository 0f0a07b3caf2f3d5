import type { JsonObject } from "../../core/json.ts";
import type { GenerationRequest } from "../generation-request.ts";
import type { DrawnPicture } from "../worker-messages.ts";

/** A request and the picture that was drawn for it. */
export interface Drawing {
  readonly request: GenerationRequest;
  readonly picture: DrawnPicture;
  /** How long the request waited for its turn. */
  readonly queueMs: number;
}

/** Everything that was really used for a picture, without the picture. */
export function toReport({ request, picture, queueMs }: Drawing): JsonObject {
  const { settings, native, scheduler, warnings, timings } = picture;
  return {
    prompt: request.prompt,
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    seed: settings.seed,
    width: settings.width,
    height: settings.height,
    num_inference_steps: settings.numInferenceSteps,
    guidance_scale: settings.guidanceScale,
    native_width: native.width,
    native_height: native.height,
    scheduler,
    warnings,
    timings: {
      queue_ms: Math.round(queueMs),
      encode_ms: Math.round(timings.encodeMs),
      denoise_ms: Math.round(timings.denoiseMs),
      decode_ms: Math.round(timings.decodeMs),
      resize_ms: Math.round(timings.resizeMs),
    },
  };
}
