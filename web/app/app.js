import { ask, callTool, connect, listen } from "./bridge.js";

/**
 * @typedef {{ image_id: string, url: string, prompt?: string, seed?: number, width?: number, height?: number,
 *   model_name?: string, status?: string }} Picture
 */

const PAGE = 12;
/** A tool that waits answers "running" after some time; so often it is asked again. */
const MAX_ROUNDS = 20;

const app = /** @type {HTMLElement} */ (document.getElementById("app"));
const toast = /** @type {HTMLElement} */ (document.getElementById("toast"));

let mayCall = false;
let mayOpen = false;
/** What "Back" shows. @type {(() => void) | undefined} */
let back;

/** @param {string} tag @param {Record<string, string>} attributes @param {...(Node | string)} children @returns {HTMLElement} */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** @param {string} label @param {() => void | Promise<void>} action @param {string} [className] */
function button(label, action, className = "") {
  const element = /** @type {HTMLButtonElement} */ (make("button", { type: "button", class: className }, label));
  element.addEventListener("click", () => {
    element.disabled = true;
    Promise.resolve(action())
      .catch((error) => say(error instanceof Error ? error.message : "That did not work"))
      .finally(() => (element.disabled = false));
  });
  return element;
}

/** @param {string} text */
function say(text) {
  toast.textContent = text;
  setTimeout(() => {
    if (toast.textContent === text) toast.textContent = "";
  }, 3000);
}

/** @param {string} text */
function showState(text) {
  app.replaceChildren(make("p", { class: "state" }, text));
}

/** @param {string} text @param {string} what */
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = /** @type {HTMLTextAreaElement} */ (make("textarea", {}));
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) throw new Error("This place does not allow copying");
  }
  say(`${what} copied`);
}

/** The picture inside a result, as an address that needs no network. @param {import("./bridge.js").ToolResult} result */
function toDataUrl({ content = [] }) {
  const block = content.find(({ type, data }) => type === "image" && typeof data === "string");
  return block === undefined ? undefined : `data:${block.mimeType};base64,${block.data}`;
}

/** @param {string} imageId @param {"thumb" | "full"} preview */
async function loadPixels(imageId, preview) {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const result = await callTool("view_image", { image_id: imageId, preview });
    const source = toDataUrl(result);
    if (source !== undefined) return source;
    if (!JSON.stringify(result).includes("running")) return undefined;
  }
  return undefined;
}

/** One picture. @param {Picture} picture @param {string} [source] */
function showViewer(picture, source) {
  const { image_id: imageId, url, prompt = "", seed, width, height, model_name: modelName } = picture;
  const stage = make("div", { class: "stage" }, make("p", { class: "state" }, mayCall ? "Loading…" : url));
  const show = (/** @type {string} */ address) =>
    stage.replaceChildren(make("img", { src: address, alt: prompt || "Generated picture" }));
  if (source !== undefined) show(source);
  else if (mayCall) {
    loadPixels(imageId, "full").then(
      (address) => (address === undefined ? (stage.textContent = url) : show(address)),
      (error) => (stage.textContent = error.message),
    );
  }
  const facts = [
    width !== undefined && height !== undefined ? `${width} × ${height}` : "",
    seed === undefined ? "" : `seed ${seed}`,
    modelName ?? "",
  ].filter((fact) => fact !== "");
  const actions = make("div", { class: "actions" });
  if (back !== undefined) actions.append(button("Back", back));
  if (prompt !== "") actions.append(button("Copy prompt", () => copy(prompt, "Prompt")));
  if (seed !== undefined) actions.append(button("Copy seed", () => copy(String(seed), "Seed")));
  actions.append(button("Copy URL", () => copy(url, "URL")));
  if (mayOpen) actions.append(button("Open", () => ask("ui/open-link", { url })));
  if (mayCall) {
    actions.append(
      button("Vary", () => vary(picture)),
      button("All pictures", () => showGallery("")),
      toDelete(imageId),
    );
  }
  app.replaceChildren(
    make(
      "article",
      { class: "viewer" },
      stage,
      make("h1", { class: "prompt" }, prompt),
      make("p", { class: "facts" }, facts.join(" · ")),
      actions,
    ),
  );
}

/** Asks once more before it deletes. @param {string} imageId */
function toDelete(imageId) {
  const element = button(
    "Delete",
    async () => {
      if (element.dataset["sure"] !== "yes") {
        element.dataset["sure"] = "yes";
        element.textContent = "Delete for good?";
        return;
      }
      await callTool("delete_image", { image_id: imageId });
      say("Deleted");
      await showGallery("");
    },
    "danger",
  );
  return element;
}

/** @param {Picture} picture */
async function vary(picture) {
  say("Drawing four variations");
  const result = await callTool("vary_image", { image_id: picture.image_id, count: 4, preview: "off" });
  showPictures(toPictures(result), () => showViewer(picture));
}

/** The pictures that a result tells of. @param {import("./bridge.js").ToolResult} result @returns {Picture[]} */
function toPictures(result) {
  const document = toDocument(result);
  const entries = Array.isArray(document?.images) ? document.images : [document];
  return entries
    .filter((/** @type {any} */ entry) => typeof entry?.image_id === "string" && typeof entry?.url === "string")
    .map((/** @type {any} */ entry) => ({ ...entry.metadata, ...entry }));
}

/** Structured content, or, where a host drops that, the JSON in the text. @param {import("./bridge.js").ToolResult} result */
function toDocument({ structuredContent, content = [] }) {
  if (structuredContent !== undefined) return structuredContent;
  for (const { text } of content) {
    try {
      return JSON.parse(text ?? "");
    } catch {
      // The next one may be it.
    }
  }
  return undefined;
}

/** Pictures side by side. @param {Picture[]} pictures @param {() => void} [goBack] */
function showPictures(pictures, goBack) {
  const bar = make("div", { class: "bar" });
  if (goBack !== undefined) bar.append(button("Back", goBack));
  const grid = make("ul", { class: "grid" });
  app.replaceChildren(make("h1", { class: "hidden-text" }, "Pictures"), bar, grid);
  addTiles(grid, pictures, () => showPictures(pictures, goBack));
  return bar;
}

/** @param {HTMLElement} grid @param {Picture[]} pictures @param {() => void} goBack */
function addTiles(grid, pictures, goBack) {
  for (const picture of pictures) {
    const { image_id: imageId, prompt = "A picture" } = picture;
    const tile = button("", () => {
      back = goBack;
      showViewer(picture);
    });
    tile.setAttribute("aria-label", prompt);
    tile.append(make("span", {}, prompt));
    grid.append(make("li", {}, tile));
    if (!mayCall) continue;
    const observer = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting !== true) return;
      observer.disconnect();
      loadPixels(imageId, "thumb").then(
        (address) => {
          if (address !== undefined) tile.prepend(make("img", { src: address, alt: "" }));
        },
        () => undefined,
      );
    });
    observer.observe(tile);
  }
}

/** What is stored, newest first. @param {string} search */
async function showGallery(search) {
  back = undefined;
  const given = { limit: PAGE, ...(search !== "" && { search }) };
  const result = await callTool("list_images", given);
  const bar = showPictures(toPictures(result));
  const field = /** @type {HTMLInputElement} */ (
    make("input", { type: "search", placeholder: "Search", "aria-label": "Search the prompts", maxlength: "200" })
  );
  field.value = search;
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") void showGallery(field.value.trim());
  });
  bar.append(field);
  if (toPictures(result).length === 0) app.append(make("p", { class: "state" }, "No pictures"));
  addMore(result, given, () => void showGallery(search));
}

/** @param {import("./bridge.js").ToolResult} result @param {object} given @param {() => void} goBack */
function addMore(result, given, goBack) {
  const cursor = toDocument(result)?.next_cursor;
  if (typeof cursor !== "string") return;
  const more = make("p", { class: "more" });
  more.append(
    button("More", async () => {
      const next = await callTool("list_images", { ...given, cursor });
      more.remove();
      addTiles(/** @type {HTMLElement} */ (app.querySelector(".grid")), toPictures(next), goBack);
      addMore(next, given, goBack);
    }),
  );
  app.append(more);
}

/** What the host's own call of a tool gave. @param {import("./bridge.js").ToolResult} result */
function showResult(result) {
  const pictures = toPictures(result);
  const [first] = pictures;
  const isList = Array.isArray(toDocument(result)?.images);
  if (first === undefined) {
    const text = result.content?.find(({ type }) => type === "text")?.text ?? "There is no picture";
    showState(isList ? "No pictures" : text);
  } else if (isList && pictures.length > 1) {
    showPictures(pictures);
    if (mayCall)
      app.prepend(
        make(
          "div",
          { class: "bar" },
          button("All pictures", () => showGallery("")),
        ),
      );
  } else showViewer(first, toDataUrl(result));
}

listen("ui/notifications/tool-input", ({ arguments: given = {} }) => {
  if (typeof given.prompt === "string") showState(`Drawing “${given.prompt}”…`);
});
listen("ui/notifications/tool-result", showResult);
listen("ui/notifications/tool-cancelled", () => showState("Cancelled"));
listen("ui/notifications/host-context-changed", applyContext);

/** @param {import("./bridge.js").HostContext} context */
function applyContext({ theme }) {
  if (theme !== undefined) document.documentElement.dataset["theme"] = theme;
}

const host = await connect();
mayCall = host.hostCapabilities?.serverTools !== undefined;
mayOpen = host.hostCapabilities?.openLinks !== undefined;
applyContext(host.hostContext ?? {});
