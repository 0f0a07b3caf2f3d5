import { DOORS, listRoutes, toErrorStatus } from "../src/http/route-table.ts";

/** The table of `docs/http-api.md`, in the order of `ROUTES`. */
export function printRoutesMarkdown(): string {
  const rows = listRoutes(DOORS).map(({ method, path, summary, success, pending, errors }) => {
    const answers = [success, ...(pending ? [pending] : [])].map(({ status, contentTypes }) =>
      `${status} ${contentTypes.map((contentType) => `\`${contentType}\``).join(", ")}`.trim(),
    );
    const faults = errors.map((code) => `${toErrorStatus(code)} \`${code}\``).join(", ");
    const cells = [`\`${method} ${path}\``, summary, answers.join(", "), faults];
    return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
  });
  return ["| route | what it does | answer | errors |", "|---|---|---|---|", ...rows, ""].join("\n");
}
