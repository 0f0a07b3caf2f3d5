import { toPublicError, type MCPImageError } from "../../core/errors.ts";
import type { Answer } from "../answer.ts";
import type { Exchange } from "../exchange.ts";
import { html } from "../html.ts";
import { toGalleryPage, type PageContext } from "./page-shell.ts";

/** The public words of an error, for people. */
export function toErrorPage(exchange: Exchange, context: PageContext, error: MCPImageError): Answer {
  const { message, error: code, retryable } = toPublicError(error);
  const title = code === "image_not_found" ? "This picture is gone" : "That did not work";
  const words =
    code === "image_not_found" ? "It was deleted, its time is over, or it never was." : `${message} (${code}).`;
  const body = html`<header class="bar">
      <a class="brand" href="${context.basePath}/"
        ><img src="${context.basePath}/assets/icon.svg" alt="" width="28" height="28" />${context.serviceName}</a
      >
    </header>
    <main class="gallery">
      <div class="empty">
        <div class="empty-art" aria-hidden="true"><i></i><i></i><i></i></div>
        <h1>${title}</h1>
        <p>${words}</p>
        <p class="actions">
          ${retryable && html`<a class="button" href="">Try again</a>`}
          <a class="button primary" href="${context.basePath}/">All pictures</a>
        </p>
      </div>
    </main>`;
  return toGalleryPage(exchange, context, { title, script: "shared.js", body, status: error.httpStatus });
}
