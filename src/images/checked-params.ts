import type * as z from "zod";
import { ValidationError } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";

/** How many faults one message lists, and how much of a name or value it repeats. */
const MAX_FAULTS = 5;
const MAX_QUOTED = 60;
/** What may be private, and is told by its length alone: error texts end up in logs of others. */
const PRIVATE_FIELDS: ReadonlySet<string> = new Set(["prompt", "negative_prompt", "search"]);

/** Something that a reader could see: not only blanks, controls and ignorable marks. */
const VISIBLE = /[^\s\p{C}\p{Default_Ignorable_Code_Point}]/u;

export const isText = (text: string): boolean => text.isWellFormed();
export const isVisible = (text: string): boolean => VISIBLE.test(text);

/**
 * What a caller gave, checked.
 *
 * @param allowed what each field may be, as a fault says it
 * @throws {ValidationError} `invalid_argument`; its words and details name the field, the value and what is allowed,
 * and never repeat a prompt
 */
export function parseParams<Schema extends z.ZodObject>(
  schema: Schema,
  allowed: Readonly<Record<string, string>>,
  given: unknown,
): z.output<Schema> {
  // Before zod, which would make a message of a hundred thousand names.
  const unknown = findUnknown(given, Object.keys(schema.shape));
  if (unknown.length > 0) throw toError(unknown);
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw toError(parsed.error.issues.map((issue) => toFault(issue, given, allowed)));
}

interface Fault {
  readonly message: string;
  readonly details: { readonly field?: string; readonly value?: string | number; readonly allowed: string };
}

function toError(faults: readonly Fault[]): ValidationError {
  const messages = new Set(faults.map((fault) => fault.message));
  return new ValidationError("invalid_argument", "Cannot draw: an argument is not valid", {
    publicMessage: [...messages].slice(0, MAX_FAULTS).join("; "),
    ...(faults[0] && { details: faults[0].details }),
  });
}

function findUnknown(given: unknown, known: readonly string[]): Fault[] {
  if (!isJsonObject(given)) return [];
  const names = Object.keys(given).filter((name) => !known.includes(name));
  const allowed = known.join(", ");
  return names.slice(0, MAX_FAULTS).map((name) => {
    const field = name.slice(0, MAX_QUOTED);
    return {
      message: `Unknown argument ${JSON.stringify(field)}; allowed are ${allowed}`,
      details: { field, allowed },
    };
  });
}

function toFault(issue: z.core.$ZodIssue, given: unknown, words: Readonly<Record<string, string>>): Fault {
  const [field] = issue.path;
  const allowed = typeof field === "string" ? words[field] : undefined;
  if (typeof field !== "string" || allowed === undefined)
    return { message: "The arguments must be an object", details: { allowed: "an object" } };
  const value = isJsonObject(given) ? given[field] : undefined;
  if (value === undefined)
    return { message: `${field} is missing; it must be ${allowed}`, details: { field, allowed } };
  const shown = describeValue(value, PRIVATE_FIELDS.has(field));
  const details = { field, value: typeof value === "number" ? value : shown, allowed };
  return { message: `${field} must be ${allowed}, got ${shown}`, details };
}

/** A prompt is told by its length alone: it may be private, and error texts end up in logs of others. */
function describeValue(value: unknown, isPrivate: boolean): string {
  if (typeof value === "string") {
    if (!isPrivate) return JSON.stringify(value.slice(0, MAX_QUOTED));
    if (!isText(value)) return "text with half a character";
    return value.length > 0 && !isVisible(value) ? "invisible text" : `${value.length} characters`;
  }
  if (typeof value === "number" || typeof value === "boolean" || value === null) return String(value);
  return Array.isArray(value) ? "an array" : "an object";
}
