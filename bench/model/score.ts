import type { RgbImage } from "../../src/core/png.ts";
import type { HeldOutCaption, Landscape, RendererFacts } from "./heldout.ts";
import { judgeLandscape } from "./judge-landscape.ts";
import { JUDGED_SIDE, judgeShapes } from "./judge-shapes.ts";
import { shrink, type Picture } from "./picture.ts";

/** How many of so many checks were passed. */
export interface Tally {
  readonly passed: number;
  readonly total: number;
}

/** Checks by kind of scene and attribute; `whole` counts pictures in which everything is right. */
export class ScoreTable {
  readonly #tallies = new Map<string, Map<string, Tally>>();

  add(group: string, checks: Readonly<Record<string, boolean>>): void {
    for (const [name, passed] of Object.entries(checks)) this.#count(group, name, passed);
    this.#count(group, "whole", Object.values(checks).every(Boolean));
  }

  get(group: string, check: string): Tally {
    return this.#tallies.get(group)?.get(check) ?? { passed: 0, total: 0 };
  }

  /** Every attribute, over the groups that are named, or over all. */
  sum(checks: readonly string[] | undefined, groups: readonly string[] = [...this.#tallies.keys()]): Tally {
    const chosen = groups.flatMap((group) => [...(this.#tallies.get(group) ?? [])]);
    const counted = chosen.filter(([name]) => (checks === undefined ? name !== "whole" : checks.includes(name)));
    return {
      passed: counted.reduce((sum, [, tally]) => sum + tally.passed, 0),
      total: counted.reduce((sum, [, tally]) => sum + tally.total, 0),
    };
  }

  /** By kind of scene and attribute. */
  toJson(): Readonly<Record<string, Readonly<Record<string, Tally>>>> {
    return Object.fromEntries([...this.#tallies].map(([group, checks]) => [group, Object.fromEntries(checks)]));
  }

  /** Lines of Markdown. */
  toMarkdown(): string {
    const rows = [...this.#tallies].flatMap(([group, checks]) =>
      [...checks].map(
        ([name, tally]) => `| ${group} | ${name} | ${tally.passed} of ${tally.total} | ${percent(tally)} |`,
      ),
    );
    return ["| scene | attribute | right | |", "|---|---|---|---|", ...rows].join("\n");
  }

  #count(group: string, name: string, passed: boolean): void {
    const checks = this.#tallies.get(group) ?? new Map<string, Tally>();
    this.#tallies.set(group, checks);
    const tally = checks.get(name) ?? { passed: 0, total: 0 };
    checks.set(name, { passed: tally.passed + Number(passed), total: tally.total + 1 });
  }
}

export function percent({ passed, total }: Tally): string {
  return `${((100 * passed) / Math.max(1, total)).toFixed(1)} %`;
}

/** Which attributes of its caption a picture shows, judged from its pixels. */
export function judge(caption: HeldOutCaption, image: RgbImage, renderer: RendererFacts): Record<string, boolean> {
  const picture = toJudged(caption, image, renderer);
  const { scene } = caption;
  return scene.type === "shapes"
    ? judgeShapes(scene, picture, renderer)
    : judgeLandscape(scene, caption, picture, renderer);
}

/** Whether a landscape shows what a negative prompt names, in whichever colour. */
export function shows(caption: HeldOutCaption, unwanted: string, image: RgbImage, renderer: RendererFacts): boolean {
  const { scene } = caption;
  if (scene.type !== "landscape") return false;
  const picture = toJudged(caption, image, renderer);
  const check = (changed: Landscape, name: string): boolean =>
    judgeLandscape(changed, caption, picture, renderer)[name] === true;
  if (unwanted === "boat" || unwanted === "house") {
    // Dark ones are hard to tell from the ground.
    const bright = ["red", "orange", "yellow", "white"];
    return bright.some((colour) => check({ ...scene, [unwanted]: colour }, "object"));
  }
  return check(scene, unwanted in scene ? unwanted : "light");
}

function toJudged({ rows, columns }: HeldOutCaption, image: RgbImage, { patches }: RendererFacts): Picture {
  return shrink(image, (columns * JUDGED_SIDE) / patches, (rows * JUDGED_SIDE) / patches);
}
