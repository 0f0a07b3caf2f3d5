import { startComposer } from "./compose.js";
import { startFilters } from "./filters.js";
import { watchJobs } from "./jobs.js";
import { base, element, isForPage, localiseTimes, rememberOrder } from "./shared.js";

const pictures = element("pictures", HTMLOListElement);
const more = element("more", HTMLElement);

/** How far below the screen the next page is fetched. */
const AHEAD = "1500px";

let isLoading = false;
/** False when a filter wants none of the older pictures. */
let wantsMore = true;

/** Fetches the page behind the last one and appends its pictures. */
async function loadMore() {
  const link = more.querySelector("a");
  if (link === null || isLoading || !wantsMore) return;
  isLoading = true;
  link.textContent = "Loading…";
  try {
    const response = await fetch(link.href, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(String(response.status));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    appendTiles(page);
    const next = page.querySelector("#more a");
    more.replaceChildren(...(next === null ? [] : [next]));
  } catch {
    const button = document.createElement("button");
    button.textContent = "Could not load more. Try again";
    button.addEventListener("click", () => {
      more.replaceChildren(link);
      void loadMore();
    });
    more.replaceChildren(button);
  } finally {
    isLoading = false;
  }
  showWanted();
}

/** @param {Document} page */
function appendTiles(page) {
  const known = new Set(listIds());
  for (const tile of page.querySelectorAll("#pictures > li")) {
    if (tile instanceof HTMLElement && !known.has(tile.dataset["id"] ?? "")) pictures.append(tile);
  }
  localiseTimes(pictures);
}

function listIds() {
  return Array.from(pictures.children, (tile) =>
    tile instanceof HTMLElement ? (tile.dataset["id"] ?? "") : "",
  ).filter((id) => id !== "");
}

const observer = new IntersectionObserver(
  ([entry]) => {
    if (entry?.isIntersecting === true && more.querySelector("a") !== null) void loadMore();
  },
  { rootMargin: AHEAD },
);
observer.observe(more);

const filters = startFilters(showWanted);

function showWanted() {
  wantsMore = filters.apply();
  // Observing anew tells whether the end is still near.
  observer.unobserve(more);
  observer.observe(more);
}

/** @returns {HTMLAnchorElement[]} */
function listLinks() {
  return Array.from(pictures.querySelectorAll("a")).filter((link) => link.offsetParent !== null);
}

/** @param {HTMLAnchorElement[]} links @param {number} index @param {string} key */
function findTarget(links, index, key) {
  switch (key) {
    case "ArrowRight":
      return links[index + 1];
    case "ArrowLeft":
      return links[Math.max(0, index - 1)];
    case "Home":
      return links[0];
    case "End":
      return links.at(-1);
    default:
      return findInRow(links, index, key === "ArrowDown" ? 1 : -1);
  }
}

/** The link of the next row whose middle is nearest. @param {HTMLAnchorElement[]} links @param {number} index @param {1 | -1} step */
function findInRow(links, index, step) {
  const from = links[index]?.getBoundingClientRect();
  if (from === undefined) return links[0];
  const middle = from.left + from.width / 2;
  /** @type {HTMLAnchorElement | undefined} */
  let best;
  let bestDistance = Infinity;
  let row;
  for (let i = index + step; i >= 0 && i < links.length; i += step) {
    const box = links[i]?.getBoundingClientRect();
    if (box === undefined || Math.abs(box.top - from.top) < 2) continue;
    row ??= box.top;
    if (Math.abs(box.top - row) > 2) break;
    const distance = Math.abs(box.left + box.width / 2 - middle);
    if (distance < bestDistance) [best, bestDistance] = [links[i], distance];
  }
  return best;
}

document.addEventListener("keydown", (event) => {
  if (!isForPage(event)) return;
  const field = event.key === "/" ? document.getElementById("search") : document.getElementById("prompt");
  if ((event.key === "/" || event.key === "n") && field !== null) {
    event.preventDefault();
    field.focus();
    return;
  }
  if (!/^(?:Arrow(?:Right|Left|Down|Up)|Home|End)$/.test(event.key)) return;
  const links = listLinks();
  const index = links.findIndex((link) => link === document.activeElement);
  // Without a picture in hand the keys scroll, as everywhere.
  if (index === -1 && event.key !== "ArrowRight") return;
  const target = findTarget(links, index, event.key);
  if (target === undefined) return;
  event.preventDefault();
  target.focus();
  target.scrollIntoView({ block: "nearest" });
});

/** Puts the pictures that are new on the server in front of those shown. */
async function addNewPictures() {
  const response = await fetch(`${base}/`, { headers: { Accept: "text/html" } }).catch(() => undefined);
  if (response?.ok !== true) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const known = new Set(listIds());
  const fresh = Array.from(page.querySelectorAll("#pictures > li")).filter(
    (tile) => tile instanceof HTMLElement && !known.has(tile.dataset["id"] ?? ""),
  );
  for (const tile of fresh) tile.classList.add("fresh");
  const first = pictures.querySelector(":scope > [data-id]");
  if (first === null) pictures.append(...fresh);
  else first.before(...fresh);
  document.getElementById("empty")?.remove();
  showWanted();
}

startComposer();
// A browser that comes back to the page has kept what was chosen.
showWanted();
if (pictures.dataset["live"] === "yes") watchJobs(addNewPictures);

// A thumbnail that is not to be had now, or no longer: the picture itself.
pictures.addEventListener(
  "error",
  ({ target }) => {
    if (!(target instanceof HTMLImageElement) || !target.src.includes("/thumbnail")) return;
    target.src = target.src.replace(/\/thumbnail.*$/, "");
  },
  true,
);

window.addEventListener("pagehide", () => rememberOrder(listIds()));
