import type { JsonObject } from "../core/json.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";
import type { ImageProgress } from "./image-job.ts";
import { OWNER_KEY } from "./owner.ts";
import type { RunningJob } from "./job-board.ts";

/** What is known of a picture that is not there yet, in the words that its record will have. */
export function toRunningMetadata({ imageId, request, startedAtMs, progress, owner }: RunningJob): JsonObject {
  return {
    status: "running",
    image_id: imageId,
    created_at: new Date(startedAtMs).toISOString(),
    ...(owner !== undefined && { [OWNER_KEY]: owner }),
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

/** What the metadata of a running picture tells of its progress, where that is more than that it runs. */
export function toImageProgress(metadata: JsonObject): ImageProgress | undefined {
  const { phase, queue_ahead: ahead, estimated_seconds: seconds, step, total_steps: totalSteps } = metadata;
  if (phase === "queued" && typeof ahead === "number") {
    return { phase, ahead, estimatedSeconds: typeof seconds === "number" ? seconds : undefined };
  }
  if (phase === "generating") {
    return {
      phase,
      ...(typeof step === "number" && { step }),
      ...(typeof totalSteps === "number" && { totalSteps }),
    };
  }
  return phase === "waking" || phase === "saving" ? { phase } : undefined;
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
