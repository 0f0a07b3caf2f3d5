import { base, call, element, mayChange, say } from "./shared.js";

/**
 * @typedef {{ image_id: string, status: "running" | "succeeded" | "failed", prompt: string, phase: string,
 *   width?: number, height?: number, queue_ahead?: number, estimated_seconds?: number, step?: number,
 *   total_steps?: number, message?: string }} Job
 */

/** How long a failure stays in view. */
const FAILURE_MS = 15_000;

/** @type {Map<string, HTMLLIElement>} */
const tiles = new Map();

/** Shows the jobs of the server as they go on; `onPicture` is called when one has made its picture. @param {() => Promise<void>} onPicture */
export function watchJobs(onPicture) {
  const pictures = element("pictures", HTMLOListElement);
  const source = new EventSource(`${base}/jobs/events`);
  // The server tells every running job anew. What ended before that, since the page was made or during a break, it does
  // not tell: the pictures are asked for.
  source.addEventListener("open", () => {
    for (const tile of tiles.values()) tile.remove();
    tiles.clear();
    void onPicture();
  });
  source.addEventListener("job", (event) => {
    /** @type {Job} */
    const job = JSON.parse(event.data);
    if (job.status === "succeeded") {
      void onPicture().then(() => forget(job.image_id));
      return;
    }
    let tile = tiles.get(job.image_id);
    if (tile === undefined) {
      tile = createTile(job);
      tiles.set(job.image_id, tile);
      pictures.prepend(tile);
      document.getElementById("empty")?.remove();
    }
    show(tile, job);
    if (job.status === "failed") setTimeout(() => forget(job.image_id), FAILURE_MS);
  });
  window.addEventListener("pagehide", () => source.close());
}

/** @param {string} imageId */
function forget(imageId) {
  tiles.get(imageId)?.remove();
  tiles.delete(imageId);
}

/** @param {Job} job */
function createTile({ image_id: imageId, prompt, width = 1, height = 1 }) {
  const tile = document.createElement("li");
  const ratio = Math.min(24, Math.max(5, Math.round((width / height) * 10)));
  tile.className = `tile job r${String(ratio).padStart(2, "0")}`;
  const text = document.createElement("span");
  text.className = "caption-prompt";
  text.textContent = prompt;
  const state = document.createElement("span");
  state.className = "job-state";
  const progress = document.createElement("progress");
  progress.setAttribute("aria-label", `Progress of ${prompt}`);
  tile.append(text, state, progress);
  if (mayChange) tile.append(createCancelButton(imageId, prompt));
  return tile;
}

/** @param {string} imageId @param {string} prompt */
function createCancelButton(imageId, prompt) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet cancel";
  button.textContent = "✕";
  button.title = "Cancel";
  button.setAttribute("aria-label", `Cancel ${prompt}`);
  button.addEventListener("click", () => {
    button.disabled = true;
    call(`/images/${imageId}`, { method: "DELETE" }).then(
      () => forget(imageId),
      (/** @type {Error} */ failure) => {
        button.disabled = false;
        say(failure.message);
      },
    );
  });
  return button;
}

/** @param {HTMLLIElement} tile @param {Job} job */
function show(tile, job) {
  const state = tile.querySelector(".job-state");
  const progress = tile.querySelector("progress");
  if (state !== null) state.textContent = toWords(job);
  if (job.status === "failed") {
    tile.classList.add("failed");
    progress?.remove();
    tile.querySelector(".cancel")?.remove();
    return;
  }
  if (progress === null) return;
  if (job.step !== undefined && job.total_steps !== undefined) {
    progress.max = job.total_steps;
    progress.value = job.step;
  } else progress.removeAttribute("value");
}

/** @param {Job} job */
function toWords(job) {
  if (job.status === "failed") return job.message ?? "It failed";
  switch (job.phase) {
    case "queued": {
      const ahead = job.queue_ahead ?? 0;
      const wait = job.estimated_seconds === undefined ? "" : `, about ${Math.ceil(job.estimated_seconds)} s`;
      return ahead === 0 ? "Next in the queue" : `${ahead} ahead in the queue${wait}`;
    }
    case "waking":
      return "The model wakes up";
    case "generating":
      return job.step !== undefined && job.total_steps !== undefined
        ? `Step ${job.step} of ${job.total_steps}`
        : "Drawing";
    case "retrying":
      return "Trying again";
    case "saving":
      return "Saving";
    default:
      return "Accepted";
  }
}
