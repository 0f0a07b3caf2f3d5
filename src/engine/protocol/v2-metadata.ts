import type { JsonObject } from "../../core/json.ts";

/** What an infer answer holds; each output has one value per picture. */
export const V2_OUTPUT_NAMES = ["image", "seed", "report"] as const;

export type V2OutputName = (typeof V2_OUTPUT_NAMES)[number];

const INPUTS = {
  prompt: "BYTES",
  negative_prompt: "BYTES",
  width: "INT64",
  height: "INT64",
  num_inference_steps: "INT64",
  guidance_scale: "FP32",
  seed: "INT64",
  num_images_per_prompt: "INT64",
} as const;

const OUTPUTS = { image: "BYTES", seed: "INT64", report: "BYTES" } as const satisfies Record<V2OutputName, string>;

/** What the server says of itself at `/v2`. */
export function toServerMetadata(version: string): JsonObject {
  return { name: "mcp-image-server", version, extensions: ["binary_tensor_data"] };
}

/** What the model says of itself at `/v2/models/M`. Only `prompt` must be given. */
export function toModelMetadata(modelName: string): JsonObject {
  return {
    name: modelName,
    versions: [],
    platform: "onnx_diffusion",
    inputs: toSpecs(INPUTS),
    outputs: toSpecs(OUTPUTS),
  };
}

/** −1: as many as there are prompts. */
function toSpecs(datatypes: Readonly<Record<string, string>>): JsonObject[] {
  return Object.entries(datatypes).map(([name, datatype]) => ({ name, datatype, shape: [-1] }));
}
