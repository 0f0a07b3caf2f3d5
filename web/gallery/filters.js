import { element, isForPage, textOf } from "./shared.js";

const DAY_MS = 24 * 60 * 60 * 1000;

const pictures = element("pictures", HTMLOListElement);

/** What the reader wants to see. */
class Filters {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    const days = Number(textOf(form, "since"));
    this.shape = textOf(form, "shape");
    this.model = textOf(form, "model");
    this.isKept = textOf(form, "kept") !== "";
    this.sinceMs = days === 0 ? -Infinity : Date.now() - days * DAY_MS;
  }

  /** @param {DOMStringMap} picture */
  fits({ shape, model, kept, created }) {
    if (this.shape !== "" && this.shape !== shape) return false;
    if (this.model !== "" && this.model !== model) return false;
    if (this.isKept && kept === undefined) return false;
    return this.isRecent(created);
  }

  /** @param {string | undefined} created */
  isRecent(created) {
    return Date.parse(created ?? "") >= this.sinceMs;
  }
}

/**
 * Lets a reader choose which of the pictures are shown. `onChange` is called when others than before may be wanted.
 *
 * @param {() => void} onChange
 */
export function startFilters(onChange) {
  const form = document.getElementById("filters");
  if (!(form instanceof HTMLFormElement)) return { apply: () => true };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => onChange());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "k" || !isForPage(event)) return;
    event.preventDefault();
    element("kept", HTMLInputElement).click();
  });

  /** Hides what does not fit, and tells whether older pictures could fit. */
  const apply = () => {
    offerModels();
    const filters = new Filters(form);
    const tiles = listTiles();
    for (const tile of tiles) tile.hidden = !filters.fits(tile.dataset);
    const mayHaveMore = filters.isRecent(tiles.at(-1)?.dataset["created"] ?? new Date().toISOString());
    const isEmpty = tiles.length > 0 && tiles.every(({ hidden }) => hidden);
    element("none", HTMLElement).hidden = !isEmpty || (mayHaveMore && document.querySelector("#more a") !== null);
    return mayHaveMore;
  };
  return { apply };
}

/** One model needs no choice. */
function offerModels() {
  const select = element("model", HTMLSelectElement);
  const known = new Set(Array.from(select.options, ({ value }) => value));
  for (const { dataset } of listTiles()) {
    const { model = "" } = dataset;
    if (known.has(model)) continue;
    known.add(model);
    select.add(new Option(model, model));
  }
  select.hidden = known.size < 3;
}

/** @returns {HTMLElement[]} */
function listTiles() {
  return Array.from(pictures.querySelectorAll(":scope > [data-id]"));
}
