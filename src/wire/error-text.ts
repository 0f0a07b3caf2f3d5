import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "./parse-json.ts";

/** An error deeper than this is a part of a picture's report, not the answer. */
const MAX_DEPTH = 4;
const MAX_CHILDREN = 100;

/**
 * The words of an error body: `{"error": "…"}` of KServe, `{"error": {"message": "…"}}` of OpenAI, `{"detail": …}` of
 * FastAPI, or one of these under the name of an InferenceGraph's step; `undefined` for anything else.
 */
export function parseErrorText(text: string): string | undefined {
  const document = parseJson(text);
  return document === undefined ? undefined : findErrorText(document);
}

/** The words of the first error in a document, the outermost first. */
export function findErrorText(document: JsonValue): string | undefined {
  let level: readonly JsonValue[] = [document];
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    for (const value of level) {
      const words = isJsonObject(value) ? readError(value, depth === 0) : undefined;
      if (words !== undefined) return words;
    }
    level = level.flatMap(childrenOf).slice(0, MAX_CHILDREN);
  }
  return undefined;
}

function readError(object: JsonObject, isOutermost: boolean): string | undefined {
  const error = object["error"] ?? (isOutermost ? object["detail"] : undefined);
  if (error === undefined || error === null) return undefined;
  if (typeof error === "string") return error;
  const message = isJsonObject(error) ? error["message"] : undefined;
  return typeof message === "string" ? message : JSON.stringify(error);
}

function childrenOf(value: JsonValue): readonly JsonValue[] {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).slice(0, MAX_CHILDREN);
  return isJsonObject(value) ? Object.values(value).slice(0, MAX_CHILDREN) : [];
}
