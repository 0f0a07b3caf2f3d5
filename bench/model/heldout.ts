import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A colour from 0 to 1: red, green, blue. */
export type Colour = readonly [number, number, number];

/** A held-out caption, and the scene that its picture must show. */
export interface HeldOutCaption {
  readonly prompt: string;
  readonly negative_prompt?: string;
  readonly seed: number;
  /** Of latent cells. */
  readonly rows: number;
  readonly columns: number;
  /** The kind of scene, for the table. */
  readonly group: "side" | "relation" | "row" | "count" | "landscape";
  readonly scene: FlatScene | Landscape;
}

export interface FlatObject {
  readonly shape: string;
  readonly color: string;
  /** Pixels that it covers in a true render. */
  readonly area: number;
}

/** Shapes on a plain background: one at a side, two in a relation, a row, or some of one kind. */
export interface FlatScene {
  readonly type: "shapes";
  readonly background: string;
  readonly objects: readonly FlatObject[];
  readonly side?: string;
  readonly relation?: "left of" | "right of" | "above" | "below" | "inside";
  readonly row?: boolean;
  readonly count?: number;
}

export type TimeOfDay = "day" | "sunset" | "night";

export interface Landscape {
  readonly type: "landscape";
  readonly time: TimeOfDay;
  readonly land: string;
  readonly light?: "sun" | "moon";
  readonly light_side?: "left" | "right";
  readonly thing_side?: "left" | "right";
  readonly house?: string | null;
  readonly boat?: string | null;
  readonly stars?: boolean;
  readonly clouds?: boolean;
  readonly trees?: boolean;
  readonly cactus?: boolean;
}

/** What the judge must know of the renderer that drew the model's training data. */
export interface RendererFacts {
  /** Latent cells along the short side. */
  readonly patches: number;
  readonly palette: Readonly<Record<string, Colour>>;
  /** Centres as parts of the picture. */
  readonly sides: Readonly<Record<string, readonly [number, number]>>;
  /** Near the top. */
  readonly skies: Readonly<Record<TimeOfDay, Colour>>;
  readonly lands: readonly string[];
  /** Walls and hulls by the time of day and the colour's name. */
  readonly things: Readonly<Record<TimeOfDay, Readonly<Record<string, Colour>>>>;
  readonly pines: Readonly<Record<TimeOfDay, readonly Colour[]>>;
  readonly cactus: Readonly<Record<TimeOfDay, Colour>>;
  /** The ground of plain renders on average, as base64 of bytes, by `time land rowsxcolumns`. */
  readonly references: Readonly<Record<string, string>>;
}

export type CaptionSet = "plain" | "free" | "negative";

export interface HeldOut {
  readonly renderer: RendererFacts;
  readonly sets: Readonly<Record<CaptionSet, readonly HeldOutCaption[]>>;
}

/** The captions that `training/heldout.py` wrote. */
export function loadHeldOut(path = join(import.meta.dirname, "heldout.json")): HeldOut {
  return JSON.parse(readFileSync(path, "utf8"));
}
