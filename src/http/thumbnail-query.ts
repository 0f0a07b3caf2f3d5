import { ValidationError } from "../core/errors.ts";
import type { ImageFormat } from "../core/image-format.ts";
import type { ConversionRequest } from "../images/picture-converter.ts";
import { CONVERTED_FORMATS, DEFAULT_THUMBNAIL_SIZE, THUMBNAIL_SIZES } from "./route-table.ts";

const MAX_SHOWN = 100;

/** What a thumbnail shall be. @throws {ValidationError} `invalid_argument` that names the field and what is allowed */
export function parseThumbnailQuery(query: string): ConversionRequest {
  const parameters = new URLSearchParams(query);
  const size = readOne(parameters, "size");
  const longestEdge = THUMBNAIL_SIZES.find((known) => String(known) === (size ?? String(DEFAULT_THUMBNAIL_SIZE)));
  if (longestEdge === undefined) throw toFault("size", size ?? "", THUMBNAIL_SIZES.map(String));
  return { longestEdge, format: parseFormat(parameters) ?? "webp" };
}

/** The other format that a picture is asked for in, or `undefined`. @throws {ValidationError} `invalid_argument` */
export function parseFormatQuery(query: string): ConversionRequest | undefined {
  if (!query.includes("format=")) return undefined;
  const format = parseFormat(new URLSearchParams(query));
  return format && { longestEdge: undefined, format };
}

function parseFormat(parameters: URLSearchParams): ImageFormat | undefined {
  const text = readOne(parameters, "format");
  if (text === undefined) return undefined;
  const format = CONVERTED_FORMATS.find((known) => known === text);
  if (format === undefined) throw toFault("format", text, CONVERTED_FORMATS);
  return format;
}

function readOne(parameters: URLSearchParams, field: string): string | undefined {
  const [value, ...more] = parameters.getAll(field);
  if (more.length > 0) throw toFault(field, parameters.getAll(field).join(","), ["only one of it"]);
  return value;
}

function toFault(field: string, value: string, allowed: readonly string[]): ValidationError {
  return new ValidationError("invalid_argument", `Cannot convert a picture: "${field}" is not valid`, {
    publicMessage: `The parameter "${field}" must be ${allowed.join(", ")}`,
    details: { field, value: value.slice(0, MAX_SHOWN), allowed },
  });
}
