import { base, call, element, isForPage, localiseTimes, recallOrder, rememberOrder, say, textOf } from "./shared.js";

const imageId = document.querySelector("main")?.dataset["id"] ?? "";
const newer = element("newer", HTMLAnchorElement);
const older = element("older", HTMLAnchorElement);

const order = recallOrder();
const place = order.indexOf(imageId);
if (place !== -1) {
  setLink(newer, order[place - 1]);
  if (order[place + 1] !== undefined) setLink(older, order[place + 1]);
}

/** @param {HTMLAnchorElement} link @param {string | undefined} id */
function setLink(link, id) {
  if (id === undefined) return;
  link.href = `${base}/gallery/${encodeURIComponent(id)}`;
  link.hidden = false;
}

const remove = document.getElementById("delete");
if (remove !== null) {
  const dialog = element("confirm", HTMLDialogElement);
  remove.hidden = false;
  remove.addEventListener("click", () => {
    dialog.returnValue = "no";
    dialog.showModal();
  });
  // One listener: the event may come when the question is asked again already.
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") void deletePicture();
  });
}

async function deletePicture() {
  try {
    await call(`/images/${imageId}`, { method: "DELETE" });
    rememberOrder(order.filter((id) => id !== imageId));
    location.replace(`${base}/`);
  } catch (error) {
    say(error instanceof Error ? error.message : "That did not work");
  }
}

const keep = document.getElementById("keep");
if (keep !== null) {
  keep.hidden = false;
  const until = element("until", HTMLElement);
  keep.addEventListener("click", () => {
    const isKept = keep.getAttribute("aria-pressed") === "true";
    call(`/images/${imageId}/keep`, { method: isKept ? "DELETE" : "POST" }).then(
      (/** @type {{ expires_at: string | null }} */ { expires_at: expiresAt }) => {
        keep.setAttribute("aria-pressed", String(!isKept));
        say(isKept ? "It may expire again" : "It is kept now");
        if (expiresAt === null) {
          until.textContent = "it is deleted";
          return;
        }
        const time = document.createElement("time");
        time.dateTime = expiresAt;
        until.replaceChildren(time);
        localiseTimes(until);
      },
      (/** @type {Error} */ failure) => say(failure.message),
    );
  });
}

const vary = document.getElementById("vary");
if (vary !== null) {
  const dialog = element("variations", HTMLDialogElement);
  const form = element("variations-form", HTMLFormElement);
  const error = element("variations-error", HTMLElement);
  const original = textOf(form, "prompt");
  vary.hidden = false;
  vary.addEventListener("click", () => dialog.showModal());
  element("variations-close", HTMLButtonElement).addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const prompt = textOf(form, "prompt");
    const body = { count: Number(textOf(form, "count")), ...(prompt !== original && { prompt }) };
    call(`/images/${imageId}/variations`, { method: "POST", body }).then(
      () => location.assign(`${base}/`),
      (/** @type {Error} */ failure) => {
        error.textContent = failure.message;
      },
    );
  });
}

/** What a key does: the element that it clicks. @type {Readonly<Record<string, string>>} */
const KEYS = {
  ArrowLeft: "newer",
  ArrowRight: "older",
  Escape: "back",
  c: "copy-prompt",
  u: "copy-url",
  d: "download",
  k: "keep",
  v: "vary",
  Delete: "delete",
};

document.addEventListener("keydown", (event) => {
  const id = KEYS[event.key];
  if (id === undefined || !isForPage(event)) return;
  const target = document.getElementById(id);
  if (target === null || target.hidden) return;
  event.preventDefault();
  target.click();
});
