import type { IncomingHttpHeaders } from "node:http";

/** What the conditions of a request are compared with. */
export interface Validators {
  /** Strong, in quotes. */
  readonly etag: string;
  /** In the form of HTTP. */
  readonly lastModified: string;
  /** Whole seconds, in milliseconds. */
  readonly lastModifiedMs: number;
  readonly size: number;
}

export type Outcome =
  | { readonly kind: "full" | "not_modified" }
  | { readonly kind: "precondition_failed" | "range_not_satisfiable" }
  /** The bytes from `start` up to and with `end`. */
  | { readonly kind: "partial"; readonly start: number; readonly end: number };

const FULL: Outcome = { kind: "full" };
const NOT_MODIFIED: Outcome = { kind: "not_modified" };
const PRECONDITION_FAILED: Outcome = { kind: "precondition_failed" };
const NOT_SATISFIABLE: Outcome = { kind: "range_not_satisfiable" };

const SINGLE_RANGE = /^bytes=[\t ]*(?:(\d+)-(\d*)|-(\d+))[\t ]*$/i;
const ENTITY_TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

/** True when a header of the request asks for something other than the whole picture. */
export function hasConditions(headers: IncomingHttpHeaders): boolean {
  return (
    headers["if-none-match"] !== undefined ||
    headers.range !== undefined ||
    headers["if-modified-since"] !== undefined ||
    headers["if-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined
  );
}

/** What to answer a GET or HEAD with, in the order of RFC 9110, section 13.2.2. Several ranges are the whole picture. */
export function evaluateConditions(method: string, headers: IncomingHttpHeaders, validators: Validators): Outcome {
  const ifMatch = headers["if-match"];
  if (ifMatch !== undefined) {
    if (!hasStrongMatch(ifMatch, validators.etag)) return PRECONDITION_FAILED;
  } else if (isEarlier(headers["if-unmodified-since"], validators.lastModifiedMs)) {
    return PRECONDITION_FAILED;
  }
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined) {
    if (hasWeakMatch(ifNoneMatch, validators.etag)) return NOT_MODIFIED;
  } else if (isSameOrLater(headers["if-modified-since"], validators.lastModifiedMs)) {
    return NOT_MODIFIED;
  }
  const { range } = headers;
  if (range === undefined || method !== "GET" || !isRangeWanted(headers["if-range"], validators)) return FULL;
  return toRange(range, validators.size);
}

function toRange(range: string, size: number): Outcome {
  const [match, first, last, suffix] = SINGLE_RANGE.exec(range) ?? [];
  if (match === undefined) return FULL;
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), size);
    return length === 0 ? NOT_SATISFIABLE : { kind: "partial", start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === undefined || last === "" ? size - 1 : Number(last);
  if (last !== "" && end < start) return FULL;
  return start >= size ? NOT_SATISFIABLE : { kind: "partial", start, end: Math.min(end, size - 1) };
}

/** A range counts only for the very bytes that the client has: the same tag, strongly, or the same date. */
function isRangeWanted(ifRange: string | string[] | undefined, { etag, lastModified }: Validators): boolean {
  return ifRange === undefined || ifRange === etag || ifRange === lastModified;
}

function hasWeakMatch(header: string, etag: string): boolean {
  if (header === etag || header.trim() === "*") return true;
  return listTags(header).some((tag) => tag.replace(/^W\//, "") === etag);
}

function hasStrongMatch(header: string, etag: string): boolean {
  return header.trim() === "*" || listTags(header).includes(etag);
}

function listTags(header: string): readonly string[] {
  return header.match(ENTITY_TAGS) ?? [];
}

function isEarlier(header: string | undefined, timeMs: number): boolean {
  const dateMs = parseHttpDate(header);
  return dateMs !== undefined && dateMs < timeMs;
}

function isSameOrLater(header: string | undefined, timeMs: number): boolean {
  const dateMs = parseHttpDate(header);
  return dateMs !== undefined && dateMs >= timeMs;
}

/** All three forms of an HTTP date; anything else is no condition at all. */
function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined;
  const timeMs = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
