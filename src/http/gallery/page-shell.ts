import { gzipSync } from "node:zlib";
import { acceptsGzip, toPageAnswer, type Answer } from "../answer.ts";
import type { Exchange } from "../exchange.ts";
import { html, type Html } from "../html.ts";
import type { AssetName } from "./assets.ts";

export interface PageContext {
  readonly serviceName: string;
  /** Where links begin; empty at the root. */
  readonly basePath: string;
  /** Whether this visitor may make, vary and delete pictures. */
  readonly mayChange: boolean;
  /** Where pictures come from that this server does not serve itself. */
  readonly directOrigin: string | undefined;
}

export interface PageParts {
  readonly title: string;
  readonly script: AssetName;
  readonly body: Html;
  readonly status?: number;
}

/** Scripts, styles, pictures and calls of our own, pictures of the store, and nothing else; nothing inline. */
function toPolicy(directOrigin: string | undefined): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src 'self'${directOrigin === undefined ? "" : ` ${directOrigin}`}`,
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** One page of the gallery. */
export function toGalleryPage(exchange: Exchange, context: PageContext, parts: PageParts): Answer {
  const { serviceName, basePath, mayChange, directOrigin } = context;
  const { title, script, body, status = 200 } = parts;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
        <meta name="color-scheme" content="light dark" />
        <meta name="theme-color" content="#fbfaf8" media="(prefers-color-scheme: light)" />
        <meta name="theme-color" content="#131316" media="(prefers-color-scheme: dark)" />
        <title>${title === serviceName ? title : `${title} · ${serviceName}`}</title>
        <link rel="icon" href="${basePath}/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="${basePath}/assets/gallery.css" />
        <script type="module" src="${basePath}/assets/${script}"></script>
      </head>
      <body data-base="${basePath}" ${mayChange && html` data-may-change`}>
        ${body}
        <div class="toast" id="toast" role="status" aria-live="polite"></div>
      </body>
    </html> `;
  const answer = toPageAnswer(page.text, toPolicy(directOrigin), status);
  if (!acceptsGzip(exchange.headers)) return answer;
  return {
    ...answer,
    body: gzipSync(answer.body),
    headers: [...answer.headers, "Content-Encoding", "gzip", "Vary", "Accept-Encoding"],
  };
}
