import { MCPImageError } from "../core/errors.ts";
import { redactUrls } from "../core/redact-urls.ts";

const MAX_CAUSES = 5;
const MAX_STACK_LINES = 8;
const MAX_SCANNED_CHARACTERS = 10_000;
const MAX_TEXT_CHARACTERS = 500;

/** What a log line says of an error: code, message, the chain of causes, and the stack of an unexpected innermost one. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: safeText(String(error)) };
  const causes = listCauses(error);
  const innermost = causes.at(-1) ?? error;
  return {
    error: describeError(error),
    ...(error instanceof MCPImageError && { error_code: error.code }),
    ...(causes.length > 0 && { causes: causes.map(describeError) }),
    ...(!(innermost instanceof MCPImageError) && innermost.stack && { stack: stackLines(innermost.stack) }),
  };
}

/** Name, system code and message of an error on one line, without what may be secret in URLs. */
export function describeError(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const showsCode = code !== undefined && !(error instanceof MCPImageError) && !error.message.includes(code);
  return safeText(`${error.name}${showsCode ? ` (${code})` : ""}: ${error.message}`);
}

/** A text of a bounded length, without what may be secret in URLs. */
export function safeText(text: string): string {
  const safe = redactUrls(text.slice(0, MAX_SCANNED_CHARACTERS));
  return safe.length > MAX_TEXT_CHARACTERS ? `${safe.slice(0, MAX_TEXT_CHARACTERS)}…` : safe;
}

/** The causes of an error, outermost first; of several at once (every address of a host), the first. */
function listCauses(error: Error): Error[] {
  const causes: Error[] = [];
  let next = causeOf(error);
  while (next instanceof Error && causes.length < MAX_CAUSES) {
    causes.push(next);
    next = causeOf(next);
  }
  return causes;
}

function causeOf(error: Error): unknown {
  return error.cause ?? (error instanceof AggregateError ? (error.errors[0] as unknown) : undefined);
}

/** The frames alone: the lines before them repeat the message. */
function stackLines(stack: string): string[] {
  return stack
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at "))
    .slice(0, MAX_STACK_LINES)
    .map(safeText);
}
