import type { JsonObject } from "../../core/json.ts";
import { toReport, type Drawing } from "./drawing.ts";

/** The body of a predict answer in the form of the diffusers runtimes for KServe: one prediction per picture. */
export function toV1Answer(modelName: string, drawings: readonly Drawing[]): JsonObject {
  return {
    predictions: drawings.map((drawing) => ({
      model_name: modelName,
      image: { format: "PNG", b64: Buffer.from(drawing.picture.png).toString("base64") },
      ...toReport(drawing),
    })),
  };
}
