import type { JsonObject } from "../core/json.ts";
import type { RunningJob } from "./job-board.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";

/** What is known of a picture that is not there yet, in the words that its record will have. */
export function toRunningMetadata({ imageId, request, startedAtMs, progress }: RunningJob): JsonObject {
  return {
    status: "running",
    image_id: imageId,
    created_at: new Date(startedAtMs).toISOString(),
    ...toRequestedSettings(request),
    ...toProgressFacts(progress),
  };
}

/** The settings of a request as they leave the process; what was left open is absent. */
export function toRequestedSettings(request: GenerateImageRequest): JsonObject {
  const { prompt, negativePrompt, width, height, numInferenceSteps, guidanceScale, seed } = request;
  return {
    prompt,
    ...(negativePrompt !== undefined && { negative_prompt: negativePrompt }),
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(numInferenceSteps !== undefined && { num_inference_steps: numInferenceSteps }),
    ...(guidanceScale !== undefined && { guidance_scale: guidanceScale }),
    ...(seed !== undefined && { seed }),
  };
}

function toProgressFacts(progress: RunningJob["progress"]): JsonObject {
  switch (progress.phase) {
    case "queued":
      return {
        phase: "queued",
        queue_ahead: progress.ahead,
        ...(progress.estimatedSeconds !== undefined && { estimated_seconds: progress.estimatedSeconds }),
      };
    case "generating":
      return {
        phase: "generating",
        ...(progress.step !== undefined && { step: progress.step }),
        ...(progress.totalSteps !== undefined && { total_steps: progress.totalSteps }),
      };
    case "accepted":
    case "waking":
    case "retrying":
    case "saving":
      return { phase: progress.phase };
  }
}
