import type { Colour, HeldOutCaption, Landscape, RendererFacts, TimeOfDay } from "./heldout.ts";
import { JUDGED_SIDE } from "./judge-shapes.ts";
import {
  band,
  centreOf,
  components,
  count,
  distance,
  meanColour,
  median,
  shrinkPicture,
  type Mask,
  type Picture,
} from "./picture.ts";

const LIGHTS: Readonly<Record<string, Colour>> = {
  "sun day": [1, 0.93, 0.35],
  "sun sunset": [1, 0.82, 0.35],
  "moon night": [0.96, 0.95, 0.85],
};
const CLOUDS: Readonly<Record<TimeOfDay, Colour>> = { day: [1, 1, 1], sunset: [1, 0.82, 0.75], night: [1, 0.82, 0.75] };
const HOUSE_COLOURS = ["red", "white", "blue", "yellow", "green", "orange", "pink", "purple"];

/** Which attributes of a landscape its picture shows. */
export function judgeLandscape(
  scene: Landscape,
  { rows, columns }: Pick<HeldOutCaption, "rows" | "columns">,
  picture: Picture,
  renderer: RendererFacts,
): Record<string, boolean> {
  const { time } = scene;
  return {
    sky: judgeSky(picture, renderer) === time,
    land: judgeLand(time, { rows, columns }, picture, renderer) === scene.land,
    ...(scene.light !== undefined && judgeLight(scene.light, scene, picture)),
    ...judgeThing(scene, picture, renderer),
    ...(scene.stars === true && { stars: hasStars(picture) }),
    ...(scene.clouds === true && { clouds: count(close(band(picture, 0.05, 0.36), CLOUDS[time], 0.03)) > 60 }),
    ...(scene.trees === true && { trees: hasGreen(picture, renderer.pines[time], time) }),
    ...(scene.cactus === true && scene.trees !== true && { cactus: hasGreen(picture, [renderer.cactus[time]], time) }),
  };
}

function judgeSky(picture: Picture, { skies }: RendererFacts): string | undefined {
  const sky = meanColour(band(picture, 0.015, 0.09).pixels);
  const distances = Object.entries(skies).map(([time, colour]) => ({ time, distance: distance(sky, colour) }));
  return distances.toSorted((left, right) => left.distance - right.distance)[0]?.time;
}

/** The land whose ground, on average over plain renders, is most like this one. */
function judgeLand(
  time: TimeOfDay,
  { rows, columns }: Pick<HeldOutCaption, "rows" | "columns">,
  picture: Picture,
  { lands, references }: RendererFacts,
): string | undefined {
  const thumbnail = shrinkPicture(picture, 2 * columns, 2 * rows);
  const low = thumbnail.pixels.slice(Math.floor((2 * rows * 5) / 16) * 2 * columns).flat();
  const differences = lands.map((land) => {
    const reference = Buffer.from(references[`${time} ${land} ${rows}x${columns}`] ?? "", "base64");
    const sum = low.reduce((total, value, i) => total + Math.abs(value - (reference[i] ?? NaN) / 255), 0);
    return { land, difference: sum };
  });
  return differences.toSorted((left, right) => left.difference - right.difference)[0]?.land;
}

function judgeLight(light: "sun" | "moon", scene: Landscape, picture: Picture): Record<string, boolean> {
  const colour = LIGHTS[`${light} ${scene.time}`] ?? [0, 0, 0];
  const sky = band(picture, 0, 0.625);
  const near = compact(close(sky, colour, 0.06), sky.width, light === "moon" ? 15 : 18);
  const isThere = count(near) > (light === "moon" ? 14 : 30);
  return { light: isThere, ...(isThere && isOnSide("light side", near, scene.light_side, picture)) };
}

/** The connected parts of so many pixels that are neither wide nor flat: no stars, no strips of sand. */
function compact(mask: Mask, width: number, least: number): Mask {
  const parts = components(mask, width, least).filter((part) => {
    const marked = part.flatMap((isMarked, i) => (isMarked ? [i] : []));
    const extents = [marked.map((i) => i % width), marked.map((i) => Math.floor(i / width))].map(
      (places) => Math.max(...places) - Math.min(...places) + 1,
    );
    return Math.max(...extents) <= JUDGED_SIDE / 3 && Math.min(...extents) > 4;
  });
  return mask.map((_, i) => parts.some((part) => part[i]));
}

function judgeThing(scene: Landscape, picture: Picture, { things }: RendererFacts): Record<string, boolean> {
  const isBoat = "boat" in scene;
  if (!isBoat && !("house" in scene)) return {};
  const wanted = isBoat ? scene.boat : scene.house;
  const colours = things[scene.time];
  const own = colours[wanted ?? ""];
  if (own === undefined) return { object: false };
  const others = [...HOUSE_COLOURS, "black"].flatMap((name) => (name === wanted ? [] : [colours[name] ?? own]));
  const area = isBoat ? band(picture, 0.69, 0.86) : band(picture, 0.69, 0.89);
  const near = area.pixels.map((pixel) => {
    const mine = distance(pixel, own);
    return mine < 0.05 && others.every((other) => mine < distance(pixel, other));
  });
  const isThere = count(near) > 30;
  return { object: isThere, ...(isThere && isOnSide("object side", near, scene.thing_side, picture)) };
}

function isOnSide(
  name: string,
  mask: Mask,
  side: "left" | "right" | undefined,
  { width }: Picture,
): Record<string, boolean> {
  if (side === undefined) return {};
  return { [name]: (centreOf(mask, width)?.x ?? 0) < width / 2 === (side === "left") };
}

function hasStars(picture: Picture): boolean {
  const sky = band(picture, 0, 0.45);
  const darkest = sky.pixels.map((pixel) => Math.min(...pixel));
  const usual = median(darkest);
  const bright = darkest.map((value) => value > usual + 0.22);
  return components(bright, sky.width, 1).filter((part) => count(part) < 16).length >= 5;
}

function hasGreen(picture: Picture, greens: readonly Colour[], time: TimeOfDay): boolean {
  const limit = time === "night" ? 0.003 : 0.008;
  const near = band(picture, 0.55, 0.95).pixels.map((pixel) => greens.some((green) => distance(pixel, green) < limit));
  return count(near) > 45;
}

function close({ pixels }: Picture, colour: Colour, limit: number): Mask {
  return pixels.map((pixel) => distance(pixel, colour) < limit);
}
