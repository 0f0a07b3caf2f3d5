import { ValidationError, type MCPImageError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { parseGenerateImageParams, toGenerateImageRequest } from "../../images/generate-image-params.ts";
import { parametersText } from "../../images/mark-image.ts";
import type { GenerateImageRequest } from "../../kserve/generated-image.ts";
import { toJsonAnswer, type Answer } from "../answer.ts";
import type { Exchange } from "../exchange.ts";
import { readJson } from "../json-body.ts";
import { drawPictures, loadBase64, type DoorImages, type DrawnPicture } from "./draw-pictures.ts";

const MAX_COUNT = 8;
/** The model's own scheduler; there is no choice of others. */
const SAMPLER = "Automatic";

/** `POST /sdapi/v1/txt2img` of AUTOMATIC1111's web UI, drawn here. */
export async function createA1111Images(exchange: Exchange, images: DoorImages): Promise<Answer> {
  const body = await readJson(exchange);
  if (!isJsonObject(body)) throw toFault("body", "an object");
  const requests = parseCall(body);
  const drawn = await drawPictures(exchange, images, requests);
  const pictures = await Promise.all(drawn.map(async (picture) => loadBase64(images, picture)));
  return toJsonAnswer({ images: pictures, parameters: body, info: JSON.stringify(toInfo(drawn)) });
}

/** `GET /sdapi/v1/sd-models`: the one model that is served. */
export function listA1111Models(modelName: string): Answer {
  return toJsonAnswer([
    { title: modelName, model_name: modelName, hash: null, sha256: null, filename: modelName, config: null },
  ]);
}

/** `GET /sdapi/v1/samplers`. */
export function listA1111Samplers(): Answer {
  return toJsonAnswer([{ name: SAMPLER, aliases: [], options: {} }]);
}

/** `GET /sdapi/v1/options`: the few that clients look at. */
export function getA1111Options(modelName: string): Answer {
  return toJsonAnswer({ sd_model_checkpoint: modelName, sd_checkpoint_hash: "", samples_format: "png" });
}

/** `POST /sdapi/v1/options`: taken and without effect, as there is one model and nothing to choose. */
export async function setA1111Options(exchange: Exchange): Promise<Answer> {
  if (!isJsonObject(await readJson(exchange))) throw toFault("body", "an object");
  return toJsonAnswer(null);
}

/** `GET /sdapi/v1/progress`: of the job that is being drawn. */
export function getA1111Progress(images: DoorImages): Answer {
  const jobs = images.listJobs();
  const current = jobs.find(({ progress }) => progress.phase === "generating");
  const { step = 0, totalSteps = 0 } = current?.progress.phase === "generating" ? current.progress : {};
  return toJsonAnswer({
    progress: totalSteps === 0 ? 0 : step / totalSteps,
    eta_relative: 0,
    state: {
      skipped: false,
      interrupted: false,
      job: current?.imageId ?? "",
      job_count: jobs.length,
      job_no: 0,
      sampling_step: step,
      sampling_steps: totalSteps,
    },
    current_image: null,
    textinfo: null,
  });
}

/** An error in the web UI's shape. */
export function toA1111Error({ code, publicMessage }: MCPImageError): JsonObject {
  return { error: code, detail: publicMessage, body: "", errors: publicMessage };
}

function parseCall(body: JsonObject): readonly GenerateImageRequest[] {
  const batch = requireCount("batch_size", body["batch_size"]);
  const count = batch * requireCount("n_iter", body["n_iter"]);
  if (count > MAX_COUNT) throw toFault("batch_size", `${MAX_COUNT} at most, times n_iter`);
  const { prompt, negative_prompt: negative, width, height, steps, cfg_scale: guidance, seed } = body;
  const request = toGenerateImageRequest(
    parseGenerateImageParams({
      ...(isGiven(prompt) && { prompt }),
      ...(isGiven(negative) && negative !== "" && { negative_prompt: negative }),
      ...(isGiven(width) && { width }),
      ...(isGiven(height) && { height }),
      ...(isGiven(steps) && { num_inference_steps: steps }),
      ...(isGiven(guidance) && { guidance_scale: guidance }),
      ...(isGiven(seed) && { seed }),
    }),
  );
  return Array.from({ length: count }, (_, index) => ({
    ...request,
    // Several pictures have seeds that follow each other, as in the web UI.
    ...(request.seed !== undefined && { seed: (request.seed + index) % 2 ** 32 }),
  }));
}

function isGiven(value: JsonObject[string] | undefined): value is JsonObject[string] {
  return value !== undefined && value !== null;
}

function requireCount(field: string, value: JsonObject[string] | undefined): number {
  const count = value ?? 1;
  if (typeof count === "number" && Number.isInteger(count) && count >= 1 && count <= MAX_COUNT) return count;
  throw toFault(field, `an integer from 1 to ${MAX_COUNT}`);
}

/** What clients read out of the text `info`. */
function toInfo(drawn: readonly DrawnPicture[]): JsonObject {
  const [first] = drawn;
  const all = (key: string): JsonObject[string][] => drawn.map(({ metadata }) => metadata[key] ?? null);
  const of = (key: string): JsonObject[string] => first?.metadata[key] ?? null;
  return {
    prompt: of("prompt"),
    all_prompts: all("prompt"),
    negative_prompt: of("negative_prompt") ?? "",
    all_negative_prompts: all("negative_prompt").map((text) => text ?? ""),
    seed: of("seed"),
    all_seeds: all("seed"),
    width: of("width"),
    height: of("height"),
    steps: of("num_inference_steps"),
    cfg_scale: of("guidance_scale"),
    batch_size: drawn.length,
    sampler_name: SAMPLER,
    sd_model_name: of("model_name"),
    index_of_first_image: 0,
    infotexts: drawn.map(({ metadata }) => toInfoText(metadata)),
  };
}

function toInfoText(metadata: JsonObject): string {
  const number = (key: string): number | undefined => {
    const value = metadata[key];
    return typeof value === "number" ? value : undefined;
  };
  const text = (key: string): string | undefined => {
    const value = metadata[key];
    return typeof value === "string" ? value : undefined;
  };
  return parametersText({
    prompt: text("prompt") ?? "",
    negativePrompt: text("negative_prompt"),
    numInferenceSteps: number("num_inference_steps"),
    guidanceScale: number("guidance_scale"),
    seed: number("seed") ?? 0,
    width: number("width") ?? 0,
    height: number("height") ?? 0,
    modelName: text("model_name") ?? "",
  });
}

function toFault(field: string, allowed: string): ValidationError {
  return new ValidationError("invalid_argument", `Cannot draw: ${field} is not valid`, {
    publicMessage: `${field} must be ${allowed}`,
    details: { field, allowed },
  });
}
