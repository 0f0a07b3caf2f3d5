import { html, type Html } from "../html.ts";

const SIZES = [
  ["", "Model's own"],
  ["512x512", "Square · 512 × 512"],
  ["768x512", "Wide · 768 × 512"],
  ["512x768", "Tall · 512 × 768"],
  ["1024x1024", "Large square · 1024 × 1024"],
  ["1344x768", "Cinema · 1344 × 768"],
  ["768x1344", "Phone · 768 × 1344"],
] as const;

/** The form that makes a picture. It needs its script: without it, it stays hidden. */
export function toComposer(): Html {
  const sizes = SIZES.map(([value, label]) => html`<option value="${value}">${label}</option>`);
  return html`<form class="composer" id="composer" hidden autocomplete="off">
    <div class="composer-line">
      <label class="hidden-text" for="prompt">What the picture shows</label>
      <textarea
        id="prompt"
        name="prompt"
        rows="1"
        maxlength="10000"
        required
        placeholder="Describe a picture…"
        enterkeyhint="go"
      ></textarea>
      <button type="submit" class="primary">Generate</button>
    </div>
    <details class="options">
      <summary>Options</summary>
      <div class="options-grid">
        <label class="wide-field"
          >What it must not show<input name="negative_prompt" maxlength="10000" placeholder="text, watermark, blurry"
        /></label>
        <label
          >Size<select name="size">
            ${sizes}
          </select></label
        >
        <label
          >Steps<input
            name="num_inference_steps"
            type="number"
            min="1"
            max="200"
            step="1"
            inputmode="numeric"
            placeholder="auto"
        /></label>
        <label
          >Guidance<input
            name="guidance_scale"
            type="number"
            min="1"
            max="20"
            step="0.1"
            inputmode="decimal"
            placeholder="auto"
        /></label>
        <label
          >Seed<input
            name="seed"
            type="number"
            min="0"
            max="4294967295"
            step="1"
            inputmode="numeric"
            placeholder="random"
        /></label>
      </div>
    </details>
    <p class="form-error" id="composer-error" role="alert"></p>
  </form>`;
}
