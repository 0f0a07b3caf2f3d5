import type { KServeClient } from "../../kserve/kserve-client.ts";
import type { ModelDescription } from "../../kserve/served-model.ts";
import { fail, ok, toFailureOfCode, warn, type Finding } from "./finding.ts";

/** Asks a model server for its models and the readiness of ours; the model draws nothing. */
export async function checkModel(client: KServeClient): Promise<readonly Finding[]> {
  return toFindings(await client.describeModel());
}

function toFindings({ modelName, servedModels, state, errorCode }: ModelDescription): readonly Finding[] {
  if (errorCode === "upstream_auth_failed" || errorCode === "upstream_redirected") {
    return [toFailureOfCode("auth", errorCode)];
  }
  if (errorCode !== undefined && errorCode !== "model_not_found") return [toFailureOfCode("protocol", errorCode)];
  const served = servedModels?.join(", ");
  const entered = ok("auth", "The model server lets us in");
  if (errorCode === "model_not_found") {
    const message = `"${modelName}" is not served${served === undefined ? "" : `; served: ${served || "nothing"}`}`;
    const remedy = "Set KSERVE_MODEL_NAME to a served name, or leave it out when only one is served.";
    return [entered, fail("model", message, remedy)];
  }
  const protocol =
    state === "unknown"
      ? warn("protocol", "It has no readiness route", "Run the doctor with --generate: only a picture will tell.")
      : ok("protocol", "It speaks a protocol that is understood");
  const model = `"${modelName}"; ${served === undefined ? "the server does not list its models" : `served: ${served}`}`;
  return [entered, protocol, ok("model", model), toReadiness(state)];
}

function toReadiness(state: ModelDescription["state"]): Finding {
  switch (state) {
    case "ready":
      return ok("readiness", "The model is ready");
    case "busy":
      return warn("readiness", "The model server is silent", "It probably draws; run the doctor again in a minute.");
    case "not_ready":
      return fail("readiness", "The model is still loading", "Wait until the InferenceService is ready.");
    case "unknown":
    case "unavailable":
      return warn("readiness", "The model server does not tell", "Run the doctor with --generate.");
  }
}
