import type { MCPImageError } from "../../core/errors.ts";
import { toErrorAnswer, type Answer } from "../answer.ts";
import type { HeaderList } from "../response-headers.ts";
import type { Door } from "../route-table.ts";
import { toA1111Error } from "./a1111-door.ts";
import { toOpenAiError } from "./openai-door.ts";

const PREFIXES = { openai: "/v1/", a1111: "/sdapi/" } as const satisfies Record<Door, string>;
const SHAPES = { openai: toOpenAiError, a1111: toA1111Error } as const;

/** The answer to a failure, in the shape that clients of the door at this path know. */
export function toFailureAnswer(
  error: MCPImageError,
  headers: HeaderList,
  { path, doors }: { readonly path: string; readonly doors: readonly Door[] },
): Answer {
  const answer = toErrorAnswer(error, headers);
  const door = doors.find((name) => path.startsWith(PREFIXES[name]));
  return door === undefined ? answer : { ...answer, body: JSON.stringify(SHAPES[door](error)) };
}
