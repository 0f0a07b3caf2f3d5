import { readExifComment } from "../core/exif-comment.ts";
import type { ImageFormat } from "../core/image-format.ts";
import { readJpegMetadata } from "../core/jpeg-metadata.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import type { PictureMetadata } from "../core/picture-metadata.ts";
import { readPngTexts } from "../core/png-text.ts";
import { readWebpMetadata } from "../core/webp-metadata.ts";
import { DIGITAL_SOURCE_TYPES } from "./mark-image.ts";

/** What a picture tells of its making. */
export interface PictureStory {
  /** As a record has it: `prompt`, `negative_prompt`, `width`, `height`, `num_inference_steps`, `guidance_scale`, `seed`. */
  readonly settings: JsonObject;
  readonly modelName: string | undefined;
  /** The program that says to have made it. */
  readonly software: string | undefined;
  /** IPTC's word for how it came to be, such as `trainedAlgorithmicMedia`. */
  readonly digitalSourceType: string | undefined;
}

/** Text of the form `Key: value`, as AUTOMATIC1111's web UI reads it. */
const PAIR = /\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/g;
/** A last line with fewer pairs is part of the prompt. */
const MIN_PAIRS = 3;
const NEGATIVE = "Negative prompt:";

/** The story of a verified picture of ours, of Stable Diffusion web UI or of InvokeAI; `undefined` when it tells none. */
export function readStory(picture: Buffer, format: ImageFormat): PictureStory | undefined {
  const texts = readTexts(picture, format);
  const ours = parseInvokeAi(texts.invokeAi);
  const parameters = parseParameters(texts.parameters);
  const digitalSourceType = parseSourceType(texts.xmp);
  if (ours === undefined && parameters === undefined && digitalSourceType === undefined) return undefined;
  const settings = { ...parameters?.settings, ...ours?.settings };
  return {
    settings,
    modelName: ours?.modelName ?? parameters?.modelName,
    software: ours?.software ?? parameters?.software,
    digitalSourceType,
  };
}

interface Texts {
  readonly parameters: string | undefined;
  readonly invokeAi?: string | undefined;
  readonly xmp: string | undefined;
}

function readTexts(picture: Buffer, format: ImageFormat): Texts {
  switch (format) {
    case "png": {
      const texts = readPngTexts(picture);
      const [parameters, invokeAi] = [texts.get("parameters"), texts.get("invokeai_metadata")];
      return { parameters, invokeAi, xmp: texts.get("XML:com.adobe.xmp") };
    }
    case "jpeg":
      return toTexts(readJpegMetadata(picture));
    case "webp":
      return toTexts(readWebpMetadata(picture));
  }
}

function toTexts({ exif, xmp }: PictureMetadata): Texts {
  return { parameters: exif && readExifComment(exif), xmp };
}

type Told = Omit<PictureStory, "digitalSourceType">;

function parseInvokeAi(text: string | undefined): Told | undefined {
  const document = parseJson(text);
  if (document === undefined) return undefined;
  const { positive_prompt, negative_prompt, width, height, steps, cfg_scale, seed, model, app_version } = document;
  const name = isJsonObject(model) ? (model["name"] ?? model["model_name"]) : model;
  return {
    settings: {
      ...textOf("prompt", positive_prompt),
      ...textOf("negative_prompt", negative_prompt),
      ...numberOf("width", width),
      ...numberOf("height", height),
      ...numberOf("num_inference_steps", steps),
      ...numberOf("guidance_scale", cfg_scale),
      ...numberOf("seed", seed),
    },
    modelName: typeof name === "string" ? name : undefined,
    software: typeof app_version === "string" ? app_version : undefined,
  };
}

function parseParameters(text: string | undefined): Told | undefined {
  if (text === undefined) return undefined;
  const lines = text.trim().split("\n");
  const pairs = new Map(
    [...(lines.at(-1) ?? "").matchAll(PAIR)].map(([, key = "", value = ""]) => [key, unquote(value)]),
  );
  if (pairs.size < MIN_PAIRS) pairs.clear();
  else lines.pop();
  const negativeAt = lines.findIndex((line) => line.startsWith(NEGATIVE));
  const promptLines = negativeAt === -1 ? lines : lines.slice(0, negativeAt);
  const negative = negativeAt === -1 ? undefined : lines.slice(negativeAt).join("\n").slice(NEGATIVE.length).trim();
  const prompt = promptLines.join("\n").trim();
  const [, width, height] = /^(\d+)x(\d+)$/.exec(pairs.get("Size") ?? "") ?? [];
  return {
    settings: {
      ...(prompt !== "" && { prompt }),
      ...textOf("negative_prompt", negative),
      ...numberOf("width", toNumber(width)),
      ...numberOf("height", toNumber(height)),
      ...numberOf("num_inference_steps", toNumber(pairs.get("Steps"))),
      ...numberOf("guidance_scale", toNumber(pairs.get("CFG scale"))),
      ...numberOf("seed", toNumber(pairs.get("Seed"))),
    },
    modelName: pairs.get("Model"),
    software: pairs.get("Version"),
  };
}

function parseSourceType(xmp: string | undefined): string | undefined {
  const [, word] = new RegExp(`${DIGITAL_SOURCE_TYPES}(\\w+)`).exec(xmp ?? "") ?? [];
  return word;
}

function parseJson(text: string | undefined): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function unquote(value: string): string {
  if (!value.startsWith('"')) return value.trim();
  try {
    const text: unknown = JSON.parse(value);
    return typeof text === "string" ? text : value;
  } catch {
    return value;
  }
}

function toNumber(text: string | undefined): number {
  return text === undefined || text.trim() === "" ? Number.NaN : Number(text);
}

function textOf(key: string, value: unknown): JsonObject {
  return typeof value === "string" ? { [key]: value } : {};
}

function numberOf(key: string, value: unknown): JsonObject {
  return typeof value === "number" && Number.isFinite(value) ? { [key]: value } : {};
}
