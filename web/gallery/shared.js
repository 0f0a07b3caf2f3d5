/** Where the server's addresses begin; empty at the root. */
export const base = document.body.dataset["base"] ?? "";

/** Whether this visitor may make, vary and delete pictures. */
export const mayChange = "mayChange" in document.body.dataset;

const ORDER_KEY = `order:${base}`;
const MAX_ORDER = 5000;
const TOAST_MS = 2500;

/**
 * The element of this id, or an error that says which one is missing.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no #${id}`);
  return found;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let toastTimer;

/**
 * Says something in passing, to screen readers too.
 *
 * @param {string} text
 */
export function say(text) {
  const toast = element("toast", HTMLElement);
  toast.textContent = text;
  toast.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.classList.remove("shown"), TOAST_MS);
}

/**
 * Calls the server; an answer that is no success throws its words.
 *
 * @param {string} path
 * @param {{ method?: string, body?: unknown }} [options]
 * @returns {Promise<any>}
 */
export async function call(path, { method = "GET", body } = {}) {
  const response = await fetch(base + path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Error("The server cannot be reached");
  });
  const answer = await response.json().catch(() => undefined);
  if (!response.ok) throw new Error(answer?.message ?? `The server answered ${response.status}`);
  return answer;
}

/** What stands in a field of a form. @param {HTMLFormElement} form @param {string} name */
export function textOf(form, name) {
  const value = new FormData(form).get(name);
  return typeof value === "string" ? value.trim() : "";
}

/** Keys work outside of fields and dialogs, without Ctrl, Alt or Meta. @param {KeyboardEvent} event */
export function isForPage(event) {
  const { target } = event;
  const isField = target instanceof HTMLElement && target.closest("input, textarea, select") !== null;
  const isAsked = document.querySelector("dialog[open]") !== null; // wherever the focus is
  return !isField && !isAsked && !event.ctrlKey && !event.altKey && !event.metaKey && !event.defaultPrevented;
}

/** Remembers the order of the pictures for the pages of single ones. @param {readonly string[]} ids */
export function rememberOrder(ids) {
  try {
    sessionStorage.setItem(ORDER_KEY, JSON.stringify(ids.slice(0, MAX_ORDER)));
  } catch {
    // A full or forbidden store: the page still knows the next older picture.
  }
}

/** @returns {string[]} */
export function recallOrder() {
  try {
    return JSON.parse(sessionStorage.getItem(ORDER_KEY) ?? "[]");
  } catch {
    return [];
  }
}

/** Times in the reader's own words. @param {ParentNode} [root] */
export function localiseTimes(root = document) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time")) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    time.title = date.toISOString();
    time.textContent = format.format(date);
  }
}

/** @param {string} text */
async function copy(text) {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  // Plain HTTP from another machine: the older way still works there.
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "hidden-text";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("The browser does not allow copying here");
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (!(button instanceof HTMLElement)) return;
  copy(button.dataset["copy"] ?? "").then(
    () => say(button.dataset["copied"] ?? "Copied"),
    () => say("The browser does not allow copying here"),
  );
});

for (const button of document.querySelectorAll("[data-copy]")) button.removeAttribute("hidden");
localiseTimes();
