import type { JsonObject } from "../core/json.ts";
import type { GenerationRequest } from "./generation-request.ts";
import type { DrawnPicture } from "./worker-messages.ts";

/** One prediction in the form of the diffusers runtimes for KServe, with everything that was really used. */
export function toPrediction(
  modelName: string,
  request: GenerationRequest,
  picture: DrawnPicture,
  queueMs: number,
): JsonObject {
  const { settings, native, scheduler, warnings, timings } = picture;
  return {
    model_name: modelName,
    prompt: request.prompt,
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    image: { format: "PNG", b64: Buffer.from(picture.png).toString("base64") },
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
