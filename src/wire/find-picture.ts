import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { RgbImage } from "../core/png.ts";
import { readNumberList, shapeOfNumbers } from "./number-lists.ts";
import { PICTURE_PLACEHOLDER } from "./picture-scanner.ts";
import { readPictureText } from "./picture-text.ts";

/** `damaged`: there is a picture, but its base64 or its numbers are not whole. */
export type FoundPicture =
  | { readonly kind: "picture"; readonly imageData: Buffer; readonly report: JsonObject }
  | { readonly kind: "pixels"; readonly image: RgbImage; readonly report: JsonObject }
  /** The picture lies elsewhere; given only when none is inside. */
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "damaged" };

type WholePicture = Extract<FoundPicture, { readonly kind: "picture" | "pixels" }>;

const MAX_DEPTH = 12;
const MAX_NODES = 10_000;
/** Where runtimes put pictures, the most telling first; other keys follow in their own order. */
const PREFERRED_KEYS = [
  "predictions",
  "image",
  "b64",
  "image_b64",
  "image_data",
  "b64_json",
  "images",
  "data",
  "outputs",
  "instances",
];

/**
 * The first picture in a JSON document of any shape that runtimes are known to answer with: base64, a data URL, a list
 * of bytes or pixels, JSON inside a text, at most 12 levels deep and among the first 10,000 values.
 *
 * @param scannedPicture what `PICTURE_PLACEHOLDER` stands for
 */
export function findPicture(document: JsonValue, scannedPicture: Buffer | undefined): FoundPicture | undefined {
  return new PictureSearch(scannedPicture).run(document);
}

class PictureSearch {
  readonly #scannedPicture: Buffer | undefined;
  /** The objects around the value that is looked at, from the outside in. */
  readonly #around: JsonObject[] = [];
  #nodes = 0;
  #url: string | undefined;
  #hasDamaged = false;

  constructor(scannedPicture: Buffer | undefined) {
    this.#scannedPicture = scannedPicture;
  }

  run(document: JsonValue): FoundPicture | undefined {
    const found = this.#visit(document, 0, undefined);
    if (found) return found;
    if (this.#hasDamaged) return { kind: "damaged" };
    return this.#url === undefined ? undefined : { kind: "url", url: this.#url };
  }

  #visit(value: JsonValue, depth: number, key: string | undefined): WholePicture | undefined {
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES || depth > MAX_DEPTH) return undefined;
    if (typeof value === "string") return this.#visitText(value, depth, key);
    if (isJsonObject(value)) return this.#visitObject(value, depth);
    return Array.isArray(value) ? this.#visitList(value as readonly JsonValue[], depth, key) : undefined;
  }

  #visitText(text: string, depth: number, key: string | undefined): WholePicture | undefined {
    if (text === PICTURE_PLACEHOLDER && this.#scannedPicture) return this.#take(this.#scannedPicture);
    const content = readPictureText(text, key);
    switch (content?.kind) {
      case "picture":
        return this.#take(content.imageData);
      case "json":
        return this.#visit(content.document, depth + 1, key);
      case "url":
        this.#url ??= content.url;
        return undefined;
      case "damaged":
        this.#hasDamaged = true;
        return undefined;
      case undefined:
        return undefined;
    }
  }

  #visitObject(object: JsonObject, depth: number): WholePicture | undefined {
    this.#around.push(object);
    const tensor = this.#readTensor(object);
    const found = tensor ?? this.#visitChildren(object, depth);
    if (found === undefined) this.#around.pop();
    return found;
  }

  #visitChildren(object: JsonObject, depth: number): WholePicture | undefined {
    for (const [key, child] of preferredFirst(object)) {
      const found = this.#visit(child, depth + 1, key);
      if (found) return found;
    }
    return undefined;
  }

  #visitList(list: readonly JsonValue[], depth: number, key: string | undefined): WholePicture | undefined {
    const shape = shapeOfNumbers(list);
    if (shape) return this.#readNumbers(list, shape);
    for (const child of list) {
      const found = this.#visit(child, depth + 1, key);
      if (found) return found;
      if (this.#nodes > MAX_NODES) return undefined;
    }
    return undefined;
  }

  /** An output of V2: its numbers are flat, its shape stands beside them. */
  #readTensor(object: JsonObject): WholePicture | undefined {
    const { data, shape, datatype } = object;
    if (!Array.isArray(data) || !Array.isArray(shape)) return undefined;
    const sides = (shape as readonly JsonValue[]).filter((side) => typeof side === "number");
    if (sides.length !== shape.length || shapeOfNumbers(data as readonly JsonValue[]) === undefined) return undefined;
    const isFloat = typeof datatype === "string" ? /^(?:FP|BF)\d/.test(datatype) : undefined;
    return this.#readNumbers(data as readonly JsonValue[], sides, isFloat);
  }

  #readNumbers(list: readonly JsonValue[], shape: readonly number[], isFloat?: boolean): WholePicture | undefined {
    const content = readNumberList(list, shape, isFloat);
    if (content?.kind === "damaged") this.#hasDamaged = true;
    if (content?.kind === "pixels") return { ...content, report: this.#report() };
    return content?.kind === "picture" ? this.#take(content.imageData) : undefined;
  }

  #take(imageData: Buffer): WholePicture {
    return { kind: "picture", imageData, report: this.#report() };
  }

  /** What the runtime says beside the picture: the nearest object that tells a seed, else the one of the picture. */
  #report(): JsonObject {
    const telling = this.#around.findLast(hasSeed);
    if (telling) return telling;
    const nearest = this.#around.at(-1) ?? {};
    // `{"image": {"b64": …}}` says nothing itself.
    const isHolder = Object.keys(nearest).every((key) => key === "b64" || key === "format");
    return isHolder ? (this.#around.at(-2) ?? nearest) : nearest;
  }
}

function hasSeed(object: JsonObject): boolean {
  return [object, object["parameters"], object["metadata"]].some((place) => isJsonObject(place) && "seed" in place);
}

function preferredFirst(object: JsonObject): [string, JsonValue][] {
  const rank = (key: string): number => {
    const index = PREFERRED_KEYS.indexOf(key);
    return index === -1 ? PREFERRED_KEYS.length : index;
  };
  return Object.entries(object)
    .slice(0, MAX_NODES)
    .sort(([left], [right]) => rank(left) - rank(right));
}
