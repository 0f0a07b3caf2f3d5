import { ValidationError } from "../core/errors.ts";
import { parseImageId } from "../core/image-id.ts";
import { MAX_LIST_LIMIT } from "../storage/abstract-storage.ts";
import { MAX_TEXT_CHARACTERS } from "../storage/find-query.ts";
import { listQuerySchema } from "./route-table.ts";

export interface ListQuery {
  readonly prefix: string;
  /** Words to look for in the prompts; the parameter `q`. */
  readonly text: string;
  readonly limit: number;
  readonly cursor?: string;
}

const ALLOWED = {
  prefix: "the start of an image id",
  q: `at most ${MAX_TEXT_CHARACTERS} characters`,
  limit: `an integer from 1 to ${MAX_LIST_LIMIT}`,
  cursor: "the cursor of a Link header",
} as const;

const INTEGER = /^[1-9][0-9]{0,8}$/;
const MAX_SHOWN = 100;

/**
 * The query of a listing. Parameters that it does not know are ignored.
 *
 * @throws {ValidationError} `invalid_argument` that names the field, its value and what is allowed
 */
export function parseListQuery(query: string): ListQuery {
  const parameters = new URLSearchParams(query);
  for (const field of ["prefix", "q", "limit", "cursor"] as const) {
    if (parameters.getAll(field).length > 1) throw toFault(field, parameters.getAll(field).join(","), "only one of it");
  }
  const limit = parameters.get("limit") ?? undefined;
  const parsed = listQuerySchema.safeParse({
    prefix: parameters.get("prefix") ?? undefined,
    q: parameters.get("q") ?? undefined,
    limit: limit !== undefined && INTEGER.test(limit) ? Number(limit) : limit,
    cursor: parameters.get("cursor") ?? undefined,
  });
  if (!parsed.success) {
    const [name] = parsed.error.issues[0]?.path ?? [];
    const field = name === "limit" || name === "q" ? name : "prefix";
    throw toFault(field, parameters.get(field) ?? "", ALLOWED[field]);
  }
  const { prefix, q: text, limit: wanted, cursor } = parsed.data;
  if (cursor !== undefined && parseImageId(cursor) === undefined) throw toFault("cursor", cursor, ALLOWED.cursor);
  return { prefix, text, limit: wanted, ...(cursor !== undefined && { cursor }) };
}

/** The query of the page behind this one. */
export function toNextQuery({ prefix, text, limit }: ListQuery, cursor: string): string {
  return new URLSearchParams({
    ...(prefix !== "" && { prefix }),
    ...(text !== "" && { q: text }),
    limit: String(limit),
    cursor,
  }).toString();
}

function toFault(field: keyof typeof ALLOWED, value: string, allowed: string): ValidationError {
  return new ValidationError("invalid_argument", `Cannot list: "${field}" is not valid`, {
    publicMessage: `The parameter "${field}" must be ${allowed}`,
    details: { field, value: value.slice(0, MAX_SHOWN), allowed },
  });
}
