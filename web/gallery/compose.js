import { call, element, say, textOf } from "./shared.js";

const NUMBERS = ["num_inference_steps", "guidance_scale", "seed"];

/** The arguments that a form asks for; what is empty is left out. @param {HTMLFormElement} form */
function toArguments(form) {
  const text = (/** @type {string} */ name) => textOf(form, name);
  /** @type {Record<string, string | number>} */
  const given = { prompt: text("prompt") };
  if (text("negative_prompt") !== "") given["negative_prompt"] = text("negative_prompt");
  const [width, height] = text("size").split("x").map(Number);
  if (width !== undefined && height !== undefined) Object.assign(given, { width, height });
  for (const name of NUMBERS) if (text(name) !== "") given[name] = Number(text(name));
  return given;
}

/** Lets the form at the top of the gallery make pictures. */
export function startComposer() {
  const form = document.getElementById("composer");
  if (!(form instanceof HTMLFormElement)) return;
  const error = element("composer-error", HTMLElement);
  const prompt = element("prompt", HTMLTextAreaElement);
  form.hidden = false;

  const submit = async () => {
    error.textContent = "";
    const button = form.querySelector("button");
    if (button !== null) button.disabled = true;
    try {
      await call("/images/", { method: "POST", body: toArguments(form) });
      say("Drawing it now");
      prompt.select();
    } catch (failure) {
      error.textContent = failure instanceof Error ? failure.message : "That did not work";
    } finally {
      if (button !== null) button.disabled = false;
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
}
