import { toV1ModelPath, toV1PredictPath, V1_MODELS_PATH } from "../../wire/v1.ts";
import type { ModelProtocol } from "./model-protocol.ts";

/** KServe's V1 protocol: one instance of a diffusers pipeline. */
export const V1_PROTOCOL: ModelProtocol = {
  name: "v1",
  listPath: V1_MODELS_PATH,
  toReadinessPath: toV1ModelPath,
  toJob: (modelName, instance) => ({
    path: toV1PredictPath(modelName),
    body: JSON.stringify({ instances: [instance] }),
    mayBePixels: false,
    outputName: undefined,
  }),
  leaveOut: () => false,
};
