import type { ImageMetadata } from "../../images/image-service.ts";
import type { Answer } from "../answer.ts";
import type { Exchange } from "../exchange.ts";
import { html, type Html } from "../html.ts";
import { toGalleryPage, type PageContext } from "./page-shell.ts";
import { toPictureView, toShape, type PictureView } from "./picture-view.ts";

export interface PicturePageOptions extends PageContext {
  readonly metadata: ImageMetadata;
  /** The id of the next older picture. */
  readonly olderId: string | undefined;
}

const MAX_TITLE = 80;

/** One picture with everything that is known of it. */
export function toPicturePage(exchange: Exchange, options: PicturePageOptions): Answer {
  const { serviceName, basePath, mayChange, metadata, olderId } = options;
  const view = toPictureView(metadata);
  const { imageId, prompt, width, height, negativePrompt, warnings, isKept, expiresAt } = view;
  const source = `${basePath}/images/${imageId}`;
  const body = html`<header class="bar">
      <a class="brand" href="${basePath}/"
        ><img src="${basePath}/assets/icon.svg" alt="" width="28" height="28" />${serviceName}</a
      >
      <nav class="steps" aria-label="Pictures">
        <a class="step" id="newer" hidden>Newer</a>
        <a class="step" href="${basePath}/" id="back">All</a>
        <a
          class="step"
          id="older"
          ${olderId === undefined ? html` hidden` : html` href="${basePath}/gallery/${olderId}"`}
          >Older</a
        >
      </nav>
    </header>
    <main class="detail" data-id="${imageId}">
      <figure class="stage">
        <a href="${source}"
          ><img
            class="${toShape(view)}"
            src="${source}"
            alt="${prompt === "" ? "A picture without a description" : prompt}"
            ${width !== undefined && height !== undefined && html` width="${width}" height="${height}"`}
            fetchpriority="high"
        /></a>
      </figure>
      <section class="panel" aria-label="About this picture">
        <h1 class="prompt${prompt.length > 160 && " long"}">
          ${prompt === "" ? "A picture without a description" : prompt}
        </h1>
        ${
          negativePrompt !== undefined &&
          html`<p class="negative"><span class="hidden-text">Not: </span>${negativePrompt}</p>`
        }
        ${
          warnings.length > 0 &&
          html`<ul class="warnings">
            ${warnings.map((warning) => html`<li>${warning}</li>`)}
          </ul>`
        }
        <div class="actions">
          <a class="button primary" href="${source}" download id="download">Download</a>
          ${mayChange && prompt !== "" && html`<button type="button" id="vary" hidden>Vary…</button>`}
          <button
            type="button"
            data-copy="${prompt}"
            data-copied="Prompt copied"
            id="copy-prompt"
            hidden${prompt === "" && html` disabled`}
          >
            Copy prompt
          </button>
          <button type="button" data-copy="${metadata.url}" data-copied="URL copied" id="copy-url" hidden>
            Copy URL
          </button>
          ${mayChange && (isKept || expiresAt !== undefined) && toKeepButton(isKept)}
          ${mayChange && html`<button type="button" class="danger" id="delete" hidden>Delete</button>`}
        </div>
        ${toFacts(view)}
        <details class="all">
          <summary>Everything that is known</summary>
          <pre tabindex="0" aria-label="Metadata as JSON">${JSON.stringify(metadata, null, 2)}</pre>
          <p><a href="${source}/metadata" download="${imageId}.json">Download as JSON</a></p>
        </details>
      </section>
    </main>
    ${mayChange && toDialogs(view)}`;
  return toGalleryPage(exchange, options, { title: toTitle(view), script: "picture.js", body });
}

/** Nothing is to be kept where nothing expires. */
function toKeepButton(isKept: boolean): Html {
  return html`<button type="button" id="keep" aria-pressed="${isKept ? "true" : "false"}" hidden>Keep</button>`;
}

function toDialogs({ prompt }: PictureView): Html {
  const counts = [1, 2, 3, 4, 6, 8].map(
    (count) => html`<option value="${count}" ${count === 4 && html` selected`}>${count}</option>`,
  );
  return html`<dialog id="confirm" aria-labelledby="confirm-title">
      <form method="dialog">
        <h2 id="confirm-title">Delete this picture?</h2>
        <p>It is gone at once, and cannot be brought back.</p>
        <div class="actions">
          <button value="no" autofocus>Keep it</button><button value="yes" class="danger solid">Delete</button>
        </div>
      </form>
    </dialog>
    <dialog id="variations" aria-labelledby="variations-title">
      <form id="variations-form" autocomplete="off">
        <h2 id="variations-title">Draw it again</h2>
        <p>With the same settings and new seeds. Other words make another picture.</p>
        <label>Prompt<textarea name="prompt" rows="3" maxlength="10000" required>${prompt}</textarea></label>
        <label
          >How many<select name="count">
            ${counts}
          </select></label
        >
        <p class="form-error" id="variations-error" role="alert"></p>
        <div class="actions">
          <button type="button" id="variations-close">Not now</button><button class="primary">Draw</button>
        </div>
      </form>
    </dialog>`;
}

function toTitle({ prompt, imageId }: PictureView): string {
  if (prompt === "") return imageId;
  const characters = Array.from(prompt);
  return characters.length > MAX_TITLE ? `${characters.slice(0, MAX_TITLE - 1).join("")}…` : prompt;
}

function toFacts(view: PictureView): Html {
  const { width, height, seed, createdAt, expiresAt, generationSeconds, queueWaitSeconds } = view;
  const facts: readonly (readonly [string, Html | string | number | undefined])[] = [
    ["Size", width !== undefined && height !== undefined ? `${width} × ${height}` : undefined],
    [
      "Seed",
      seed === undefined
        ? undefined
        : html`${seed}
            <button type="button" class="quiet" data-copy="${seed}" data-copied="Seed copied" hidden>
              Copy<span class="hidden-text"> seed</span>
            </button>`,
    ],
    ["Steps", view.steps],
    ["Guidance", view.guidance],
    ["Model", view.modelName],
    ["Drawn in", generationSeconds === undefined ? undefined : `${generationSeconds.toFixed(1)} s`],
    [
      "Waited",
      queueWaitSeconds === undefined || queueWaitSeconds < 0.1 ? undefined : `${queueWaitSeconds.toFixed(1)} s`,
    ],
    ["Made", toTime(createdAt)],
    ["Kept until", html`<span id="until">${expiresAt === undefined ? "it is deleted" : toTime(expiresAt)}</span>`],
    ["File", `${view.extension.toUpperCase()}, ${toSize(view.sizeBytes)}`],
  ];
  const rows = facts
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    );
  return html`<dl class="facts">${rows}</dl>`;
}

/** In UTC; the page's script puts it in the reader's own words. */
function toTime(iso: string): Html {
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace("T", " ")} UTC</time>`;
}

function toSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kib = bytes / 1024;
  return kib < 1024 ? `${Math.round(kib)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}
