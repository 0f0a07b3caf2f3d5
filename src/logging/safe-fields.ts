import { describeError, safeText } from "./error-fields.ts";
import type { LogFields } from "./logger.ts";

/** Keys that the logger itself writes; a field of the same name would make a line mean two things. */
const OWN_KEYS: ReadonlySet<string> = new Set(["level", "timestamp", "service", "component", "event"]);
const MAX_DEPTH = 4;
const MAX_ENTRIES = 50;

/**
 * The fields as they may stand in a line: texts cut and free of secrets in URLs, bytes as their number, everything
 * bounded in depth and length. A field with a name of the logger's own gets a trailing underscore.
 */
export function toSafeFields(fields: LogFields): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) safe[OWN_KEYS.has(key) ? `${key}_` : key] = toSafeValue(value, 0);
  return safe;
}

function toSafeValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return safeText(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "[too deep]";
  try {
    return toSafeObject(value, depth);
  } catch {
    return "[unprintable]";
  }
}

function toSafeObject(value: object, depth: number): unknown {
  if (value instanceof Error) return describeError(value);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((item) => toSafeValue(item, depth + 1));
  if ("toJSON" in value && typeof value.toJSON === "function") {
    const json: unknown = value.toJSON();
    return toSafeValue(json, depth + 1);
  }
  const entries = Object.entries(value).slice(0, MAX_ENTRIES);
  return Object.fromEntries(entries.map(([key, item]) => [key, toSafeValue(item, depth + 1)]));
}
