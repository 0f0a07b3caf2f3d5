import { MCPImageError } from "../core/errors.ts";

const MAX_CAUSES = 5;
const MAX_TEXT = 500;

/** What a log line says of an error: code, message, stack of the innermost unexpected one, and the chain of causes. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: redactUrls(String(error)).slice(0, MAX_TEXT) };
  const causes: string[] = [];
  let innermost: Error = error;
  for (let next = error.cause; next instanceof Error && causes.length < MAX_CAUSES; next = next.cause) {
    causes.push(describe(next));
    innermost = next;
  }
  return {
    error: describe(error),
    ...(error instanceof MCPImageError && { error_code: error.code }),
    ...(causes.length > 0 && { causes }),
    ...(!(innermost instanceof MCPImageError) && innermost.stack && { stack: stackLines(innermost.stack) }),
  };
}

/** Removes user information and query strings from every URL in a text: that is where secrets hide. */
export function redactUrls(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]+/gi, (url, scheme: string) => {
    const withoutQuery = url.replace(/[?#].*$/, (tail) => (tail.startsWith("?") ? "?[redacted]" : ""));
    const rest = withoutQuery.slice(scheme.length);
    const slash = rest.indexOf("/");
    const authority = slash === -1 ? rest : rest.slice(0, slash);
    return scheme + authority.slice(authority.lastIndexOf("@") + 1) + (slash === -1 ? "" : rest.slice(slash));
  });
}

function describe(error: Error): string {
  return redactUrls(`${error.name}: ${error.message}`).slice(0, MAX_TEXT);
}

function stackLines(stack: string): string[] {
  return stack
    .split("\n")
    .slice(1, 8)
    .map((line) => line.trim());
}
