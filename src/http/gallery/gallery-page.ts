import type { MetadataPage } from "../../images/image-service.ts";
import type { Answer } from "../answer.ts";
import type { Exchange } from "../exchange.ts";
import { html, type Html } from "../html.ts";
import { toComposer } from "./composer.ts";
import { toGalleryPage, type PageContext } from "./page-shell.ts";
import { toPictureView, toShape, type PictureView } from "./picture-view.ts";

export interface GalleryPageOptions extends PageContext {
  readonly page: MetadataPage;
  /** The query of the page behind this one; `undefined` on the last. */
  readonly nextQuery: string | undefined;
  /** False on the pages behind the first. */
  readonly isFirst: boolean;
  readonly mcpUrl: string;
  /** The words that were looked for; empty when none were. */
  readonly text: string;
  /** Whether smaller pictures can be had. */
  readonly hasThumbnails: boolean;
}

/** How many pictures are asked for at once, because they are likely to be in view. */
const EAGER = 8;
/** Below it a thumbnail saves next to nothing. */
const MIN_THUMBNAIL_BYTES = 48 * 1024;
/** Days back, and what a reader calls that. */
const SINCE = [
  ["", "Any time"],
  ["1", "Last 24 hours"],
  ["7", "Last 7 days"],
  ["30", "Last 30 days"],
] as const;
/** Enough for a row on a sharp screen. */
const THUMBNAIL_SIZE = 512;

/** The pictures, newest first. */
export function toGalleryListPage(exchange: Exchange, options: GalleryPageOptions): Answer {
  const { serviceName, basePath, mayChange, page, nextQuery, isFirst, text } = options;
  const views = page.images.map(toPictureView);
  const body = html`<a class="skip" href="#pictures">Skip to the pictures</a>
    <header class="bar">
      <a class="brand" href="${basePath}/"
        ><img src="${basePath}/assets/icon.svg" alt="" width="28" height="28" />${serviceName}</a
      >
      <form class="search" role="search" action="${basePath}/">
        <input
          type="search"
          name="q"
          id="search"
          value="${text}"
          maxlength="200"
          aria-label="Search the prompts"
          placeholder="Search"
          enterkeyhint="search"
        />
      </form>
      ${views.length > 0 && toFilters()}
    </header>
    <main class="gallery">
      <h1 class="hidden-text">Pictures</h1>
      ${mayChange && isFirst && text === "" && toComposer()}
      ${text !== "" && html`<p class="found">Pictures of <b>${text}</b>. <a href="${basePath}/">Show all</a></p>`}
      <ol class="tiles" id="pictures" data-live="${isFirst && text === "" ? "yes" : "no"}">
        ${views.map((view, index) => toTile(view, options, index < EAGER))}
      </ol>
      ${views.length === 0 && toEmptyState(options)}
      <p class="none" id="none" role="status" hidden>No picture here is like that.</p>
      <nav class="more" id="more" aria-label="Pages">
        ${nextQuery !== undefined && html`<a rel="next" href="${basePath}/?${nextQuery}">Older pictures</a>`}
      </nav>
    </main>
    ${toFooter(options)}`;
  const answer = toGalleryPage(exchange, options, { title: serviceName, script: "gallery.js", body });
  return nextQuery === undefined
    ? answer
    : { ...answer, headers: [...answer.headers, "Link", `<${basePath}/?${nextQuery}>; rel="next"`] };
}

function toTile(view: PictureView, { basePath, hasThumbnails }: GalleryPageOptions, isEager: boolean): Html {
  const { imageId, prompt, width, height, seed, sizeBytes, modelName, createdAt, isKept } = view;
  const isSmaller = hasThumbnails && sizeBytes > MIN_THUMBNAIL_BYTES;
  const source = `${basePath}/images/${imageId}${isSmaller ? `/thumbnail?size=${THUMBNAIL_SIZE}` : ""}`;
  const facts = [
    width !== undefined && height !== undefined && `${width} × ${height}`,
    seed !== undefined && `seed ${seed}`,
    isKept && "kept",
  ].filter((fact) => fact !== false);
  return html`<li
    class="tile ${toRatioClass(view)}"
    data-id="${imageId}"
    data-shape="${toShape(view)}"
    data-created="${createdAt}"
    data-model="${modelName ?? ""}"
    ${isKept && html` data-kept`}
  >
    <a href="${basePath}/gallery/${imageId}"
      ><img
        src="${source}"
        alt="${prompt === "" ? "A picture without a description" : prompt}"
        ${
          width !== undefined && height !== undefined && html` width="${width}" height="${height}"`
        }${isEager ? html` fetchpriority="high"` : html` loading="lazy"`}
        decoding="async"
      /><span class="caption" aria-hidden="true"
        ><span class="caption-prompt">${prompt}</span><span class="caption-facts">${facts.join(" · ")}</span></span
      ></a
    >
  </li> `;
}

/** Width by height in tenths: a class, because the policy allows no style in the page. */
function toRatioClass({ width, height }: PictureView): string {
  if (width === undefined || height === undefined) return "r10";
  return `r${String(Math.min(24, Math.max(5, Math.round((width / height) * 10)))).padStart(2, "0")}`;
}

/** What to show of the pictures that are there. It needs its script: without it, it stays hidden. */
function toFilters(): Html {
  const shapes = [
    ["", "All"],
    ["wide", "Wide"],
    ["square", "Square"],
    ["tall", "Tall"],
  ].map(
    ([value = "", label = ""]) =>
      html`<label
        ><input type="radio" name="shape" value="${value}" ${value === "" && html` checked`} /><span
          >${label}</span
        ></label
      >`,
  );
  const times = SINCE.map(([days, label]) => html`<option value="${days}">${label}</option>`);
  return html`<form class="filters" id="filters" aria-label="Filters" autocomplete="off" hidden>
    <fieldset class="choices">
      <legend class="hidden-text">Shape</legend>
      ${shapes}
    </fieldset>
    <label class="choices"><input type="checkbox" name="kept" id="kept" /><span>Kept</span></label>
    <select name="since" aria-label="Made">
      ${times}
    </select>
    <select name="model" aria-label="Model" id="model" hidden>
      <option value="">Any model</option>
    </select>
  </form>`;
}

function toEmptyState({ isFirst, mayChange, text, nextQuery }: GalleryPageOptions): Html {
  if (text !== "") {
    if (nextQuery !== undefined) return html``;
    return html`<div class="empty">
      <h2>Nothing found</h2>
      <p>No ${isFirst ? "" : "older "}picture has all these words in its prompt.</p>
    </div>`;
  }
  if (!isFirst)
    return html`<div class="empty">
      <h2>No older pictures</h2>
      <p>This was the last page.</p>
    </div>`;
  return html`<div class="empty" id="empty">
    <div class="empty-art" aria-hidden="true"><i></i><i></i><i></i></div>
    <h2>No pictures yet</h2>
    <p>${mayChange ? "Describe one above, or let" : "Let"} an MCP client call <code>generate_image</code>.</p>
    <p>Pictures appear here as they are made.</p>
  </div>`;
}

function toFooter({ basePath, mcpUrl }: GalleryPageOptions): Html {
  return html`<footer class="foot">
    <p>
      For MCP clients: <code id="mcp-url">${mcpUrl}</code>
      <button type="button" class="quiet" data-copy="${mcpUrl}" data-copied="Address copied" hidden>Copy</button>
    </p>
    <p>
      <a href="${basePath}/docs">HTTP API</a> <a href="${basePath}/images/">As JSON</a>
      <a href="${basePath}/health">Health</a>
    </p>
  </footer>`;
}
