import type { OpenAiImageRequest } from "../../wire/openai.ts";
import type { V1Instance } from "../../wire/v1.ts";
import type { ModelProtocol } from "./model-protocol.ts";

export interface OpenAiProtocolOptions {
  /** What stands before `/images/generations`: `/v1`, `/v3` or `/openai/v1`. */
  readonly apiPath: string;
  /** OpenVINO Model Server names the seed `rng_seed`. */
  readonly isOpenVino: boolean;
}

/** OpenAI's route for pictures, as vLLM-Omni and OpenVINO Model Server have it. */
export function createOpenAiProtocol({ apiPath, isOpenVino }: OpenAiProtocolOptions): ModelProtocol {
  let sendsFormat = true;
  const listPath = `${apiPath}/models`;
  return {
    name: "openai",
    listPath,
    // There is no route for the readiness of one model; a server that lists its models has loaded them.
    toReadinessPath: () => listPath,
    toJob: (modelName, { width, height, seed, ...instance }) => {
      const request: OpenAiImageRequest = {
        model: modelName,
        ...instance,
        n: 1,
        ...toSize({ width, height }),
        ...(sendsFormat && { response_format: "b64_json" }),
        ...(seed !== undefined && (isOpenVino ? { rng_seed: seed } : { seed })),
      };
      return {
        path: `${apiPath}/images/generations`,
        body: JSON.stringify(request),
        mayBePixels: false,
        outputName: undefined,
      };
    },
    leaveOut: (key) => {
      if (key !== "response_format" || !sendsFormat) return false;
      sendsFormat = false;
      return true;
    },
  };
}

/** A side that is not given is as long as the other. */
function toSize({
  width,
  height,
}: {
  readonly width: V1Instance["width"] | undefined;
  readonly height: V1Instance["height"] | undefined;
}): Pick<OpenAiImageRequest, "size"> {
  const across = width ?? height;
  return across === undefined ? {} : { size: `${across}x${height ?? across}` };
}
