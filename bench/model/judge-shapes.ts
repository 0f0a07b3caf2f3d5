import type { Colour, FlatScene, RendererFacts } from "./heldout.ts";
import { centreOf, components, count, distance, medianColour, type Mask, type Picture } from "./picture.ts";
import { bestShape } from "./silhouettes.ts";

/** Pixels of the short side that the judge looks at. */
export const JUDGED_SIDE = 64;

/** Less than this part of its ideal area, and an object is not there. */
const LEAST_AREA = 0.3;
const FAR_FROM_BACKGROUND = 0.04;
const LIKE_ITS_OWN = 0.03;

/** A picture in units of its short side. */
interface Place {
  readonly x: number;
  readonly y: number;
}

/** Which attributes of a scene of shapes its picture shows. */
export function judgeShapes(scene: FlatScene, picture: Picture, renderer: RendererFacts): Record<string, boolean> {
  const names = Object.keys(renderer.palette);
  const labels = picture.pixels.map((pixel) => nearest(pixel, Object.values(renderer.palette)));
  const far = farFromBackground(picture);
  const masks = scene.objects.map(({ color }) =>
    likeItself(
      labels.map((label, i) => label === names.indexOf(color) && far[i] === true),
      picture,
    ),
  );
  const places = scene.objects.map(({ color, area }) => {
    const mask = labels.map((label, i) => label === names.indexOf(color) && far[i] === true);
    return count(mask) > LEAST_AREA * area ? toPlace(mask, picture) : undefined;
  });
  const found = places.flatMap((place) => place ?? []);
  const isSeen = found.length === scene.objects.length;
  const background = { background: names[borderLabel(labels, picture)] === scene.background };
  const isRight = (mask: Mask, index: number): boolean =>
    bestShape(mask, picture.width) === scene.objects[index]?.shape;
  if (scene.side !== undefined) {
    const kind = isSeen && isRight(far, 0);
    return { ...background, color: isSeen, side: isSeen && isAtSide(found[0], scene.side, picture, renderer), kind };
  }
  if (scene.relation !== undefined) {
    const whole = scene.relation === "inside" ? [masks[0] ?? [], union(masks)] : masks;
    const relation = isSeen && holds(scene.relation, found);
    return { ...background, colors: isSeen, relation, kinds: isSeen && whole.every(isRight) };
  }
  if (scene.row === true) {
    const order = isSeen && found.every(({ x }, i) => x > (found[i - 1]?.x ?? -Infinity));
    return { ...background, colors: isSeen, order, kinds: isSeen && masks.every(isRight) };
  }
  const parts = components(masks[0] ?? [], picture.width, 12);
  const right = parts.filter((part) => isRight(part, 0)).length;
  const kinds = parts.length > 0 && right >= Math.max(1, parts.length - 1);
  return { ...background, color: isSeen, count: parts.length === scene.count, kinds };
}

function nearest(pixel: Colour, palette: readonly Colour[]): number {
  const distances = palette.map((colour) => distance(pixel, colour));
  return distances.indexOf(Math.min(...distances));
}

/** The colour that most of the three outermost rows and columns have; corners count twice, as in oracle.py. */
function borderLabel(labels: readonly number[], { width, height }: Picture): number {
  const votes = new Map<number, number>();
  for (const [index, label] of labels.entries()) {
    const [x, y] = [index % width, Math.floor(index / width)];
    const sides = Number(y < 3 || y >= height - 3) + Number(x < 3 || x >= width - 3);
    votes.set(label, (votes.get(label) ?? 0) + sides);
  }
  const best = Math.max(...votes.values());
  return Math.min(...[...votes].filter(([, vote]) => vote === best).map(([label]) => label));
}

function farFromBackground({ pixels, width, height }: Picture): Mask {
  const edge = pixels.filter((_, i) => i < 2 * width || i >= (height - 2) * width);
  const background = medianColour(edge);
  return pixels.map((pixel) => distance(pixel, background) > FAR_FROM_BACKGROUND);
}

/** Without pixels unlike the mask's own colour: where two areas meet, their colours mix. */
function likeItself(mask: Mask, { pixels }: Picture): Mask {
  const own = medianColour(pixels.filter((_, i) => mask[i]));
  return mask.map((isMarked, i) => isMarked && distance(pixels[i] ?? own, own) < LIKE_ITS_OWN);
}

function union(masks: readonly Mask[]): Mask {
  return (masks[0] ?? []).map((_, i) => masks.some((mask) => mask[i]));
}

function toPlace(mask: Mask, { width }: Picture): Place | undefined {
  const centre = centreOf(mask, width);
  return centre && { x: (centre.x + 0.5) / JUDGED_SIDE, y: (centre.y + 0.5) / JUDGED_SIDE };
}

function isAtSide(place: Place | undefined, side: string, picture: Picture, renderer: RendererFacts): boolean {
  const [x, y] = renderer.sides[side] ?? [NaN, NaN];
  const [width, height] = [picture.width / JUDGED_SIDE, picture.height / JUDGED_SIDE];
  return place !== undefined && Math.abs(place.x - x * width) < 0.12 && Math.abs(place.y - y * height) < 0.12;
}

function holds(relation: NonNullable<FlatScene["relation"]>, [first, second]: readonly Place[]): boolean {
  if (first === undefined || second === undefined) return false;
  const [dx, dy] = [first.x - second.x, first.y - second.y];
  switch (relation) {
    case "left of":
      return dx < -0.2;
    case "right of":
      return dx > 0.2;
    case "above":
      return dy < -0.2;
    case "below":
      return dy > 0.2;
    case "inside":
      return Math.abs(dx) < 0.1 && Math.abs(dy) < 0.1;
  }
}
