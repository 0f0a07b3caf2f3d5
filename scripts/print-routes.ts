import { listRoutes, toErrorStatus } from "../src/http/route-table.ts";

/** The table of `docs/http-api.md`, in the order of `ROUTES`. */
export function printRoutesMarkdown(): string {
  const rows = listRoutes().map(({ method, path, summary, success, errors }) => {
    const types = success.contentTypes.map((contentType) => `\`${contentType}\``).join(", ");
    const faults = errors.map((code) => `${toErrorStatus(code)} \`${code}\``).join(", ");
    const cells = [`\`${method} ${path}\``, summary, `${success.status} ${types}`.trim(), faults];
    return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
  });
  return ["| route | what it does | answer | errors |", "|---|---|---|---|", ...rows, ""].join("\n");
}
