import { encodePng, type RgbImage } from "../core/png.ts";
import type { FakeAnswer, RecordedRequest } from "./fake-kserve-runtime.ts";
import { drawTestPixels } from "./test-picture.ts";

/** A server of another protocol in the place of KServe's runtime: what it answers to a request. */
export type FakeFace = (request: Pick<RecordedRequest, "method" | "path" | "body">) => FakeAnswer;

export interface FakeV2FaceOptions {
  readonly modelName?: string;
  /** What the model says of its inputs; default as the Stable Diffusion of Triton's tutorials. */
  readonly inputs?: readonly FakeTensor[];
  /** How it answers with a picture. */
  readonly output: "base64" | "bytes" | "pixels" | "floats" | "json";
}

interface FakeTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

interface SentTensor extends FakeTensor {
  readonly data: readonly (string | number)[];
}

interface InferRequest {
  readonly inputs: readonly SentTensor[];
  readonly outputs?: readonly { readonly name: string; readonly parameters?: Record<string, unknown> }[];
  readonly parameters?: Record<string, unknown>;
}

const TRITON_INPUTS: readonly FakeTensor[] = [
  { name: "prompt", datatype: "BYTES", shape: [-1, 1] },
  { name: "negative_prompt", datatype: "BYTES", shape: [-1, 1] },
];
const OUTPUT_NAME = "generated_image";
const SIDE = 64;

/** Triton: inputs are checked to the letter, pixels come as bytes behind the JSON when they are asked for. */
export function createTritonFace(options: FakeV2FaceOptions): FakeFace {
  const { modelName = "stable_diffusion", inputs = TRITON_INPUTS } = options;
  return ({ method, path, body }) => {
    if (path === "/v2") {
      return json(200, {
        name: "triton",
        version: "2.60.0",
        extensions: ["classification", "model_repository", "binary_tensor_data", "parameters"],
      });
    }
    const [, name, rest = ""] = /^\/v2\/models\/([^/]+)(\/ready|\/infer)?$/.exec(path) ?? [];
    if (name === undefined) return { status: 404, body: "" };
    if (name !== modelName) return json(404, { error: `Request for unknown model: '${name}' is not found` });
    if (rest === "/ready") return { status: 200, body: "" };
    if (method === "GET") return json(200, describe(modelName, inputs));
    return refuseInputs(modelName, inputs, body) ?? infer(modelName, options, body);
  };
}

/** KServe's own server with a model that is made for V2. */
export function createKServeV2Face(options: FakeV2FaceOptions): FakeFace {
  const { modelName = "model", inputs = TRITON_INPUTS } = options;
  return ({ method, path, body }) => {
    if (path === "/v1/models" || path === "/v2/models") return json(200, { models: [modelName] });
    if (path === "/v2") {
      return json(200, { name: "kserve", version: "0.20.0", extensions: ["model_repository_extension"] });
    }
    const [, name, rest = ""] = /^\/v2\/models\/([^/]+)(\/ready|\/infer)?$/.exec(path) ?? [];
    if (name === undefined) return json(404, { detail: "Not Found" });
    if (name !== modelName) return json(404, { error: `Model with name ${name} does not exist.` });
    if (rest === "/ready") return json(200, { name, ready: true });
    if (method === "GET") return json(200, { ...describe(modelName, inputs), versions: null, platform: "" });
    return /[:,[]null[,\]}]/.test(body)
      ? json(422, { detail: [{ type: "float_type", input: null }] })
      : infer(name, options, body);
  };
}

/** MLServer: knows no other protocol, takes the seed as a parameter. */
export function createMlServerFace(options: FakeV2FaceOptions): FakeFace {
  const { modelName = "dalle", inputs = [{ name: "prompt", datatype: "BYTES", shape: [-1] }] } = options;
  return ({ method, path, body }) => {
    if (path === "/v2") return json(200, { name: "mlserver", version: "1.6.1", extensions: [] });
    const [, name, rest = ""] = /^\/v2\/models\/([^/]+)(\/ready|\/infer)?$/.exec(path) ?? [];
    if (name === undefined) return json(404, { detail: "Not Found" });
    if (name !== modelName) return json(404, { error: `Model ${name} not found` });
    if (rest === "/ready") return json(200, { name, ready: true });
    return method === "GET" ? json(200, describe(modelName, inputs)) : infer(name, { ...options, inputs }, body);
  };
}

interface ImageRequest {
  readonly model: string;
  readonly prompt: string;
  readonly size?: string;
  readonly seed?: number;
  readonly rng_seed?: number;
  readonly num_inference_steps?: number;
  readonly response_format?: string;
}

/** vLLM-Omni: one list of models, one route for pictures, `{"detail": …}` for what it refuses. */
export function createVllmOmniFace(options: { readonly refuses?: string } = {}): FakeFace {
  return ({ method, path, body }) => {
    if (path === "/v1/models") return json(200, listModels("qwen-image", "vllm"));
    if (path !== "/v1/images/generations" || method !== "POST") return json(404, { detail: "Not Found" });
    const request = JSON.parse(body) as ImageRequest;
    if (options.refuses !== undefined && options.refuses in request) {
      return json(400, { error: { message: `Unknown parameter: '${options.refuses}'.`, param: options.refuses } });
    }
    if ((request.num_inference_steps ?? 1) > 200) return json(422, { detail: [{ type: "less_than_equal" }] });
    const picture = drawRequested(request, request.seed).toString("base64");
    return json(200, { created: 1, data: [{ b64_json: picture, url: null, revised_prompt: null }] });
  };
}

/** OpenVINO Model Server with a graph for pictures: the seed is `rng_seed`, the list names its owner. */
export function createOvmsFace(): FakeFace {
  return ({ method, path, body }) => {
    if (path === "/v1/models" || path === "/v3/models") return json(200, listModels("sd", "OVMS"));
    if (path === "/v2") return json(200, { name: "OpenVINO Model Server", version: "2026.2" });
    if (!/^\/v[13]\/images\/generations$/.test(path) || method !== "POST") return json(404, { error: "Not Found" });
    const request = JSON.parse(body) as ImageRequest;
    if (request.model !== "sd") {
      return json(404, { error: "Mediapipe graph definition with requested name is not found" });
    }
    return json(200, { data: [{ b64_json: drawRequested(request, request.rng_seed).toString("base64") }] });
  };
}

function drawRequested({ prompt, size = "64x64" }: ImageRequest, seed: number | undefined): Buffer {
  const [width = SIDE, height = SIDE] = size.split("x").map(Number);
  return encodePng(drawTestPixels({ prompt, width, height, seed }));
}

function listModels(id: string, owner: string): object {
  return { object: "list", data: [{ id, object: "model", created: 1, owned_by: owner }] };
}

function describe(modelName: string, inputs: readonly FakeTensor[]): object {
  const outputs = [{ name: OUTPUT_NAME, datatype: "UINT8", shape: [-1, SIDE, SIDE, 3] }];
  return { name: modelName, versions: ["1"], platform: "ensemble", inputs, outputs };
}

function refuseInputs(modelName: string, inputs: readonly FakeTensor[], body: string): FakeAnswer | undefined {
  const sent = (JSON.parse(body) as InferRequest).inputs;
  for (const { name, datatype, shape, data } of sent) {
    const known = inputs.find((input) => input.name === name);
    if (!known) return json(400, { error: `unexpected inference input '${name}' for model '${modelName}'` });
    if (known.datatype !== datatype || known.shape.length !== shape.length || data.length !== 1) {
      return json(400, { error: `unexpected shape or datatype for input '${name}' for model '${modelName}'` });
    }
  }
  if (sent.length === inputs.length) return undefined;
  return json(400, {
    error: `expected ${inputs.length} inputs but got ${sent.length} inputs for model '${modelName}'`,
  });
}

function infer(modelName: string, { output }: FakeV2FaceOptions, body: string): FakeAnswer {
  const { inputs, outputs = [], parameters = {} } = JSON.parse(body) as InferRequest;
  const find = (pattern: RegExp) => inputs.find(({ name }) => pattern.test(name))?.data[0];
  const image = drawTestPixels({
    prompt: String(find(/^(?!neg).*(?:prompt|text)/)),
    width: Number(find(/width/) ?? SIDE),
    height: Number(find(/height/) ?? SIDE),
    seed: Number(find(/seed/) ?? parameters["seed"] ?? 0),
  });
  const isBinary = outputs[0]?.parameters?.["binary_data"] ?? parameters["binary_data_output"] ?? false;
  return isBinary === true ? toBinary(modelName, image, output) : toJson(modelName, image, output);
}

function toJson(modelName: string, image: RgbImage, output: FakeV2FaceOptions["output"]): FakeAnswer {
  const file = encodePng(image).toString("base64");
  const pixelShape = [1, image.height, image.width, 3];
  const tensors = {
    base64: { datatype: "BYTES", shape: [1], data: [file] },
    bytes: { datatype: "BYTES", shape: [1], data: [file] },
    json: { datatype: "BYTES", shape: [1], data: [JSON.stringify({ images: [`data:image/png;base64,${file}`] })] },
    pixels: { datatype: "UINT8", shape: pixelShape, data: [...image.rgb] },
    floats: { datatype: "FP32", shape: pixelShape, data: Array.from(image.rgb, (value) => value / 255) },
  };
  return json(200, { model_name: modelName, outputs: [{ name: OUTPUT_NAME, ...tensors[output] }] });
}

function toBinary(modelName: string, image: RgbImage, output: FakeV2FaceOptions["output"]): FakeAnswer {
  const values = output === "pixels" ? Buffer.from(image.rgb) : toElement(encodePng(image));
  const tensor =
    output === "pixels"
      ? { datatype: "UINT8", shape: [1, image.height, image.width, 3] }
      : { datatype: "BYTES", shape: [1] };
  const head = Buffer.from(
    JSON.stringify({
      model_name: modelName,
      outputs: [{ name: OUTPUT_NAME, ...tensor, parameters: { binary_data_size: values.length } }],
    }),
  );
  return {
    status: 200,
    headers: { "content-type": "application/octet-stream", "inference-header-content-length": String(head.length) },
    body: Buffer.concat([head, values]),
  };
}

/** An element of a BYTES tensor, behind its length. */
function toElement(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function json(status: number, body: unknown): FakeAnswer {
  return { status, body: JSON.stringify(body) };
}
