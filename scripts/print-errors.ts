import { ERROR_TABLE, type ErrorDefinition } from "../src/core/errors.ts";

/** The table of `docs/errors.md`, in the order of `ERROR_TABLE`. */
export function printErrorsMarkdown(): string {
  const rows = Object.entries<ErrorDefinition>(ERROR_TABLE).map(([code, definition]) => {
    const { httpStatus, retryable, publicMessage, remedy } = definition;
    const cells = [`\`${code}\``, String(httpStatus), retryable ? "yes" : "no", publicMessage, remedy];
    return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
  });
  return ["| code | HTTP | retry | message | what to do |", "|---|---|---|---|---|", ...rows, ""].join("\n");
}
