import { ConfigurationError } from "../core/errors.ts";
import type { ConfigFile } from "./config-file.ts";

/** The families of pipelines that this engine runs; they differ in what their U-Net is told. */
export type ModelKind = "sd" | "sdxl" | "lcm" | "sdxl-lcm";

/** Class names of diffusers, bare or with the prefixes that exports give them. */
const PIPELINES = {
  StableDiffusionPipeline: "sd",
  LatentConsistencyModelPipeline: "sd",
  StableDiffusionXLPipeline: "sdxl",
} as const;

/**
 * The kind of a model, by the class of its pipeline and by what its U-Net says of itself.
 *
 * @throws {ConfigurationError} `configuration_invalid` for a pipeline of other parts
 */
export function modelKindOf(folder: string, index: ConfigFile, unet: ConfigFile): ModelKind {
  const className = index.text("_class_name");
  const found = Object.entries(PIPELINES).find(([name]) => className.replace(/^(?:ORT|Onnx)/, "") === name);
  if (found === undefined) {
    const known = Object.keys(PIPELINES).join(", ");
    const message = `Cannot use model "${folder}": it is a ${className}; supported: ${known}`;
    throw new ConfigurationError("configuration_invalid", message);
  }
  const embedsGuidance = unet.has("time_cond_proj_dim");
  if (found[1] === "sd") return embedsGuidance ? "lcm" : "sd";
  return embedsGuidance ? "sdxl-lcm" : "sdxl";
}

export function hasTwoEncoders(kind: ModelKind): boolean {
  return kind.startsWith("sdxl");
}

export function embedsGuidance(kind: ModelKind): boolean {
  return kind.endsWith("lcm");
}
