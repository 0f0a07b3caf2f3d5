import type { JsonObject } from "../core/json.ts";
import type { GenerateImageRequest, Upstream } from "../kserve/generated-image.ts";
import type { SentCall, SpanAttributes } from "../telemetry/tracing.ts";

const OPERATION = "generate_content";

/** How a job of the model is told to those who follow calls, by the conventions of OpenTelemetry for generative AI. */
export function toGenerationCall({ seed }: GenerateImageRequest, upstream: Upstream | undefined): SentCall {
  const { modelName, server } = upstream ?? {};
  return {
    name: modelName === undefined ? OPERATION : `${OPERATION} ${modelName}`,
    attributes: {
      "gen_ai.operation.name": OPERATION,
      "gen_ai.provider.name": "kserve",
      "gen_ai.output.type": "image",
      ...(modelName !== undefined && { "gen_ai.request.model": modelName }),
      ...(server && { "server.address": server.hostname, "server.port": server.port }),
    },
    details: seed === undefined ? {} : { "gen_ai.request.seed": seed },
  };
}

/** What was asked of the model and was not known before. */
export function toGenerationDetails({ model_name: modelName, seed }: JsonObject): SpanAttributes {
  return {
    ...(typeof modelName === "string" && { "gen_ai.request.model": modelName }),
    ...(typeof seed === "number" && { "gen_ai.request.seed": seed }),
  };
}
