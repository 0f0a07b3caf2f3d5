import { sniffImageFormat } from "../core/image-format.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { splitBinaryAnswer, splitBytesElements, type BinaryOutput } from "./binary-outputs.ts";
import { findErrorText } from "./error-text.ts";
import { isEventStream, parseEventStream } from "./event-stream.ts";
import { findPicture, type FoundPicture } from "./find-picture.ts";
import { parseJson } from "./parse-json.ts";
import type { ScannedBody } from "./picture-scanner.ts";
import { isPixelShape, toRgbImage } from "./pixels.ts";
import { readTensorValues } from "./tensor-values.ts";

/** What a 2xx answer to a job turned out to be. */
export type PictureAnswer =
  | FoundPicture
  /** An answer without a picture that says why. */
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "no_picture"; readonly keys: readonly string[] }
  /** An answer whose end is missing. */
  | { readonly kind: "cut_off" }
  | { readonly kind: "not_json"; readonly text: string };

/** What the head of the answer tells about its body. */
export interface AnswerForm {
  readonly contentType?: string | undefined;
  /** `Inference-Header-Content-Length`: the JSON is this long, and values follow it. */
  readonly jsonBytes?: number | undefined;
  /** The output of V2 that holds the picture; default: the first that does. */
  readonly outputName?: string | undefined;
}

const MAX_KEYS = 20;

/**
 * Reads the answer to a job, of whatever shape. The content type is believed only where nothing else tells: servers of
 * binary answers and of raw pictures leave it out.
 */
export function readPictureAnswer(body: ScannedBody, form: AnswerForm = {}): PictureAnswer {
  if (form.jsonBytes !== undefined) return readBinary(body.text, form.jsonBytes, form.outputName);
  if (sniffImageFormat(body.text) !== undefined) return { kind: "picture", imageData: body.text, report: {} };
  const text = body.text.toString("utf8");
  if (isEventStream(text, form.contentType)) return readEvents(text, body.picture);
  const document = parseJson(text);
  if (document !== undefined) return readDocument(chooseOutput(document, form.outputName), body.picture);
  if (/^\s*[[{"]/.test(text)) return { kind: "cut_off" };
  const found = findPicture(text, undefined);
  return found?.kind === "picture" ? found : { kind: "not_json", text };
}

function readDocument(document: JsonValue, scannedPicture: Buffer | undefined): PictureAnswer {
  const found = findPicture(document, scannedPicture);
  if (found?.kind === "picture" || found?.kind === "pixels") return found;
  const error = findErrorText(document);
  if (error !== undefined) return { kind: "error", text: error };
  return found ?? { kind: "no_picture", keys: isJsonObject(document) ? Object.keys(document).slice(0, MAX_KEYS) : [] };
}

/** The last whole picture counts: those before it are previews. */
function readEvents(text: string, scannedPicture: Buffer | undefined): PictureAnswer {
  const events = parseEventStream(text);
  let answer: PictureAnswer | undefined;
  for (const { type, document } of events) {
    if (type.includes("partial")) continue;
    const read = readDocument(document, scannedPicture);
    if (read.kind !== "no_picture") answer = read;
  }
  if (answer) return answer;
  return events.length > 0 ? { kind: "cut_off" } : { kind: "not_json", text };
}

function readBinary(body: Buffer, jsonBytes: number, outputName: string | undefined): PictureAnswer {
  const answer = splitBinaryAnswer(body, jsonBytes);
  if (answer === undefined) return { kind: "cut_off" };
  const { document, outputs } = answer;
  let isDamaged = false;
  for (const output of outputs) {
    if (outputName !== undefined && output.name !== outputName) continue;
    const found = readOutput(output, document);
    if (found?.kind === "damaged") isDamaged = true;
    else if (found) return found;
  }
  return isDamaged ? { kind: "damaged" } : readDocument(chooseOutput(document, outputName), undefined);
}

function readOutput({ datatype, shape, bytes }: BinaryOutput, report: JsonObject): FoundPicture | undefined {
  if (datatype === "BYTES") return readElements(bytes, report);
  const numbers = isPixelShape(shape) ? readTensorValues(datatype, bytes) : undefined;
  if (numbers !== undefined) {
    const image = toRgbImage({ shape, ...numbers });
    return image ? { kind: "pixels", image, report } : { kind: "damaged" };
  }
  return sniffImageFormat(bytes) === undefined ? undefined : { kind: "picture", imageData: bytes, report };
}

function readElements(bytes: Buffer, report: JsonObject): FoundPicture | undefined {
  const elements = splitBytesElements(bytes);
  if (elements === undefined) return { kind: "damaged" };
  let damaged: FoundPicture | undefined;
  for (const element of elements) {
    if (sniffImageFormat(element) !== undefined) return { kind: "picture", imageData: element, report };
    const found = findPicture(element.toString("utf8"), undefined);
    if (found && found.kind !== "damaged") return found;
    damaged ??= found;
  }
  return damaged;
}

/** The document with no output but the named one, if it has that. */
function chooseOutput(document: JsonValue, outputName: string | undefined): JsonValue {
  if (outputName === undefined || !isJsonObject(document) || !Array.isArray(document["outputs"])) return document;
  const outputs = document["outputs"] as readonly JsonValue[];
  const chosen = outputs.filter((output) => isJsonObject(output) && output["name"] === outputName);
  return chosen.length > 0 ? { ...document, outputs: chosen } : document;
}
