import type { RgbImage } from "../../src/core/png.ts";
import type { DiffusionPipeline } from "../../src/engine/diffusion-pipeline.ts";
import type { HeldOutCaption, RendererFacts } from "./heldout.ts";
import { judge, ScoreTable, shows } from "./score.ts";

/** Pixels of one latent cell of the shipped model: pictures are drawn in the size that needs no resampling. */
const CELL_PIXELS = 32;

export type Draw = (caption: HeldOutCaption) => Promise<RgbImage>;

/** Draws captions with the model's own defaults, or with these settings. */
export function drawCaption(
  pipeline: DiffusionPipeline,
  settings: { readonly numInferenceSteps?: number; readonly guidanceScale?: number } = {},
): Draw {
  return async ({ prompt, negative_prompt: negativePrompt, seed, rows, columns }) => {
    const size = { width: columns * CELL_PIXELS, height: rows * CELL_PIXELS };
    const request = { prompt, seed, ...size, ...settings, ...(negativePrompt !== undefined && { negativePrompt }) };
    return (await pipeline.generate(request, () => undefined)).image;
  };
}

/** Draws and judges every caption; `onWrong` hears of each picture in which something is not right. */
export async function scoreSet(
  captions: readonly HeldOutCaption[],
  draw: Draw,
  renderer: RendererFacts,
  onWrong: (line: string) => void,
): Promise<ScoreTable> {
  const table = new ScoreTable();
  for (const caption of captions) {
    const checks = judge(caption, await draw(caption), renderer);
    table.add(caption.group, checks);
    const wrong = Object.entries(checks).flatMap(([name, passed]) => (passed ? [] : [name]));
    if (wrong.length > 0) onWrong(`${caption.seed} ${caption.prompt}: ${wrong.join(", ")}`);
  }
  return table;
}

/** Captions in pairs: a prompt, then the same with a negative prompt that names what chance may add. `onWrong`: it is there. */
export async function scoreNegatives(
  captions: readonly HeldOutCaption[],
  draw: Draw,
  renderer: RendererFacts,
  onWrong: (line: string) => void,
): Promise<{ readonly pairs: number; readonly shown: number; readonly removed: number; readonly added: number }> {
  const result = { pairs: 0, shown: 0, removed: 0, added: 0 };
  for (let index = 0; index + 1 < captions.length; index += 2) {
    const [plain, negative] = [captions[index], captions[index + 1]];
    if (plain === undefined || negative?.negative_prompt === undefined) continue;
    const before = shows(plain, negative.negative_prompt, await draw(plain), renderer);
    const after = shows(negative, negative.negative_prompt, await draw(negative), renderer);
    if (after) onWrong(`${plain.seed} ${plain.prompt}: ${negative.negative_prompt}${before ? "" : " added"}`);
    result.pairs++;
    result.shown += Number(before);
    result.removed += Number(before && !after);
    result.added += Number(!before && after);
  }
  return result;
}
