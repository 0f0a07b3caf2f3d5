import { createHash } from "node:crypto";
import { toPageAnswer, type Answer } from "./answer.ts";
import { escapeHtml } from "./html.ts";
import type { ServiceIdentity } from "./route-handlers.ts";
import { listRoutes, toErrorStatus, type Door, type Route } from "./route-table.ts";

export interface PageOptions {
  readonly service: ServiceIdentity;
  /** Where links begin; empty at the root. */
  readonly basePath: string;
  readonly doors: readonly Door[];
}

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
h1 small { font-weight: normal; opacity: .7; }
section { border-top: 1px solid var(--line); padding: .75rem 0; }
h3 { margin: 0; font: 600 1rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
p { margin: .25rem 0; }
table { border-collapse: collapse; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; }
code { font-family: ui-monospace, monospace; }
`;

/** Nothing from elsewhere, no script, and no style but ours. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The API for people: every route of the table. */
export function toDocsPage({ service, basePath, doors }: PageOptions): Answer {
  const routes = listRoutes(doors);
  const tags = [...new Set(routes.map((route) => route.tag))];
  const sections = tags.map((tag) => {
    const rows = routes.filter((route) => route.tag === tag).map((route) => toSection(route));
    return `<h2>${escapeHtml(tag)}</h2>\n${rows.join("\n")}`;
  });
  return toPage(
    `${service.name} API`,
    `${toHeading(service)}
<p>As OpenAPI 3.1: <a href="${escapeHtml(basePath)}/openapi.json">openapi.json</a>. Every error is JSON:
<code>{"error": code, "message": text, "retryable": boolean}</code>.</p>
${sections.join("\n")}`,
  );
}

function toPage(title: string, body: string): Answer {
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<body>
<main>
${body}
</main>
</body>
</html>
`;
  return toPageAnswer(html, POLICY);
}

function toHeading({ name, version }: ServiceIdentity): string {
  return `<h1>${escapeHtml(name)} <small>${escapeHtml(version)}</small></h1>`;
}

function toSection({ method, path, summary, query, errors }: Route): string {
  const parameters = Object.entries(query?.shape ?? {}).map(
    ([name, schema]) => `<tr><td><code>${name}</code></td><td>${escapeHtml(describe(schema))}</td></tr>`,
  );
  const table = parameters.length === 0 ? "" : `<table>${parameters.join("")}</table>`;
  const codes = errors.map((code) => `${toErrorStatus(code)} <code>${code}</code>`);
  const faults = codes.length === 0 ? "" : `<p>Errors: ${codes.join(", ")}</p>`;
  return `<section><h3>${method} ${escapeHtml(path)}</h3><p>${escapeHtml(summary)}</p>${table}${faults}</section>`;
}

function describe(schema: unknown): string {
  return typeof schema === "object" && schema !== null && "description" in schema ? String(schema.description) : "";
}
