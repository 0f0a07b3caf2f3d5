import { ValidationError, type MCPImageError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { parseGenerateImageParams, toGenerateImageRequest } from "../../images/generate-image-params.ts";
import type { GenerateImageRequest } from "../../kserve/generated-image.ts";
import { toJsonAnswer, type Answer } from "../answer.ts";
import type { Exchange } from "../exchange.ts";
import { readJson } from "../json-body.ts";
import { drawPictures, loadBase64, type DoorImages } from "./draw-pictures.ts";

/** As many as OpenAI allows. */
const MAX_COUNT = 10;
const SIZE = /^(\d{1,5})x(\d{1,5})$/;

interface ImageCall {
  readonly requests: readonly GenerateImageRequest[];
  readonly format: "url" | "b64_json";
}

/** `POST /v1/images/generations`: OpenAI's "Create image", drawn here. */
export async function createOpenAiImages(exchange: Exchange, images: DoorImages): Promise<Answer> {
  const { requests, format } = parseCall(await readJson(exchange));
  const drawn = await drawPictures(exchange, images, requests);
  const data = await Promise.all(
    drawn.map(async (picture) => {
      const seed = picture.metadata["seed"];
      const image = format === "url" ? { url: picture.url } : { b64_json: await loadBase64(images, picture) };
      return { ...image, ...(typeof seed === "number" && { seed }) };
    }),
  );
  const [first] = drawn;
  const { created_at: createdAt, width, height, format: fileFormat } = first?.metadata ?? {};
  const created = typeof createdAt === "string" ? Math.floor(Date.parse(createdAt) / 1000) : 0;
  const size = typeof width === "number" && typeof height === "number" ? { size: `${width}x${height}` } : {};
  return toJsonAnswer({ created, data, ...size, output_format: fileFormat });
}

/** `GET /v1/models`: the one model that is served. */
export function listOpenAiModels(modelName: string): Answer {
  return toJsonAnswer({ object: "list", data: [toModel(modelName)] });
}

/** `GET /v1/models/{name}`. Any name is answered for: whatever is asked for is drawn by the one model. */
export function getOpenAiModel(name: string): Answer {
  return toJsonAnswer(toModel(name));
}

/** An error in OpenAI's shape. */
export function toOpenAiError({ code, httpStatus, publicMessage, details }: MCPImageError): JsonObject {
  const field = details["field"];
  const type = httpStatus === 429 ? "rate_limit_error" : httpStatus >= 500 ? "server_error" : "invalid_request_error";
  return { error: { message: publicMessage, type, param: typeof field === "string" ? field : null, code } };
}

function toModel(id: string): JsonObject {
  return { id, object: "model", created: 0, owned_by: "mcp-image-server" };
}

function parseCall(body: unknown): ImageCall {
  if (!isJsonObject(body)) throw toFault("body", "an object");
  const given = withoutNulls(body);
  const { n: count = 1, size = "auto", stream, response_format: format, model, seed } = given;
  if (typeof count !== "number" || !Number.isInteger(count) || count < 1 || count > MAX_COUNT) {
    throw toFault("n", `an integer from 1 to ${MAX_COUNT}`);
  }
  if (stream === true) throw toFault("stream", "false: pictures are not streamed");
  if (format !== undefined && format !== "url" && format !== "b64_json") {
    throw toFault("response_format", "url or b64_json");
  }
  const request = toGenerateImageRequest(parseGenerateImageParams(toParams(given, size)));
  return {
    requests: Array.from({ length: count }, (_, index) => ({
      ...request,
      // One seed for several pictures would draw one picture several times.
      ...(typeof seed === "number" && request.seed !== undefined && { seed: (request.seed + index) % 2 ** 32 }),
    })),
    format: format ?? toDefaultFormat(model),
  };
}

/** OpenAI's own parameters that we have no use for are passed over; those that diffusion servers add are taken. */
function toParams(given: JsonObject, size: JsonObject[string]): JsonObject {
  const { prompt, negative_prompt, seed, guidance_scale } = given;
  const steps = given["num_inference_steps"] ?? given["steps"];
  return {
    ...(prompt !== undefined && { prompt }),
    ...(negative_prompt !== undefined && negative_prompt !== "" && { negative_prompt }),
    ...(steps !== undefined && { num_inference_steps: steps }),
    ...(guidance_scale !== undefined && { guidance_scale }),
    ...(seed !== undefined && { seed }),
    ...toSides(size),
  };
}

function toSides(size: JsonObject[string]): JsonObject {
  if (size === "auto") return {};
  const [, width, height] = typeof size === "string" ? (SIZE.exec(size) ?? []) : [];
  if (width === undefined || height === undefined) throw toFault("size", "auto, or width x height as in 1024x1024");
  return { width: Number(width), height: Number(height) };
}

/** As OpenAI does: its older models answered with a URL where the caller left it open. */
function toDefaultFormat(model: JsonObject[string] | undefined): ImageCall["format"] {
  return typeof model === "string" && model.startsWith("dall-e") ? "url" : "b64_json";
}

function withoutNulls(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

function toFault(field: string, allowed: string): ValidationError {
  return new ValidationError("invalid_argument", `Cannot draw: ${field} is not valid`, {
    publicMessage: `${field} must be ${allowed}`,
    details: { field, allowed },
  });
}
