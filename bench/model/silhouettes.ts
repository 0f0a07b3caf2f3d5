import type { Mask } from "./picture.ts";

/** The shapes that the renderer draws; a point is inside where the function is below 0. */
const SHAPES: Readonly<Record<string, (x: number, y: number, r: number) => number>> = {
  circle: (x, y, r) => Math.hypot(x, y) - r,
  square: (x, y, r) => Math.max(Math.abs(x), Math.abs(y)) - r * 0.88,
  triangle: (x, y, r) =>
    polygon(x, y, [
      [0, -r],
      [r * 0.95, r * 0.8],
      [-r * 0.95, r * 0.8],
    ]),
  star: (x, y, r) => polygon(x, y, starPoints(r)),
  heart: (x, y, r) => polygon(x, y, heartPoints(r)),
  ring: (x, y, r) => Math.abs(Math.hypot(x, y) - r * 0.75) - r * 0.25,
  diamond: (x, y, r) => (Math.abs(x) * 1.25 + Math.abs(y) - r * 1.1) * 0.62,
};

const SHAPE_NAMES = Object.keys(SHAPES);
const PROBE_RADIUS = 0.3;
const PROBE_SIDE = 200;

interface Box {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** How far each shape of radius 0.3 reaches from its centre. */
const EXTENTS = new Map(
  SHAPE_NAMES.map((name) => {
    const at = (index: number): number => (index + 0.5) / PROBE_SIDE - 0.5;
    const inside = Array.from({ length: PROBE_SIDE ** 2 }, (_, i) =>
      isInside(name, at(i % PROBE_SIDE), at(Math.floor(i / PROBE_SIDE)), PROBE_RADIUS),
    );
    const box = boxOf(inside, PROBE_SIDE);
    const move = (value: number): number => value / PROBE_SIDE - 0.5;
    return [
      name,
      {
        top: move(box?.top ?? 0),
        bottom: move(box?.bottom ?? 0),
        left: move(box?.left ?? 0),
        right: move(box?.right ?? 0),
      },
    ] as const;
  }),
);

/** The shape whose silhouette, moved and scaled onto the mask, overlaps it best; `undefined` for an empty mask. */
export function bestShape(mask: Mask, width: number): string | undefined {
  const box = boxOf(mask, width);
  if (box === undefined) return undefined;
  const overlaps = SHAPE_NAMES.map((name) => ({ name, overlap: overlap(name, mask, width, box) }));
  return overlaps.reduce((best, shape) => (shape.overlap > best.overlap ? shape : best)).name;
}

function overlap(name: string, mask: Mask, width: number, box: Box): number {
  const extent = EXTENTS.get(name);
  if (extent === undefined) return 0;
  const scaleY = (box.bottom - box.top) / (extent.bottom - extent.top);
  const scaleX = (box.right - box.left) / (extent.right - extent.left);
  const scale = (scaleX + scaleY) / 2;
  const centreY = (box.top + box.bottom) / 2 - ((extent.top + extent.bottom) / 2) * scale;
  const centreX = (box.left + box.right) / 2 - ((extent.left + extent.right) / 2) * scale;
  let [both, either] = [0, 0];
  for (const [index, isMarked] of mask.entries()) {
    const x = (index % width) + 0.5 - centreX;
    const y = Math.floor(index / width) + 0.5 - centreY;
    const isIdeal = isInside(name, x, y, PROBE_RADIUS * scale);
    if (isIdeal && isMarked) both++;
    if (isIdeal || isMarked) either++;
  }
  return both / Math.max(1, either);
}

/** In pixels; bottom and right lie behind the last marked pixel. */
function boxOf(mask: Mask, width: number): Box | undefined {
  let [top, bottom, left, right] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const [index, isMarked] of mask.entries()) {
    if (!isMarked) continue;
    const [x, y] = [index % width, Math.floor(index / width)];
    [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
  }
  return bottom > top ? { top, bottom, left, right } : undefined;
}

function isInside(name: string, x: number, y: number, radius: number): boolean {
  return (SHAPES[name]?.(x, y, radius) ?? 1) < 0;
}

type Point = readonly [x: number, y: number];

/** −1 inside of a simple polygon, 1 outside: how far is not asked here. */
function polygon(x: number, y: number, points: readonly Point[]): number {
  let sign = 1;
  for (const [index, [ax, ay]] of points.entries()) {
    const [bx, by] = points.at(index - 1) ?? [0, 0];
    const [ex, ey, wx, wy] = [bx - ax, by - ay, x - ax, y - ay];
    const isLeft = ex * wy > ey * wx;
    const crosses = (y >= ay && y < by && isLeft) || (y < ay && y >= by && !isLeft);
    if (crosses) sign = -sign;
  }
  return sign;
}

function starPoints(r: number): Point[] {
  return Array.from({ length: 10 }, (_, i) => {
    const reach = i % 2 === 0 ? r * 1.1 : r * 0.45;
    return [reach * Math.sin((i * Math.PI) / 5), -reach * Math.cos((i * Math.PI) / 5)];
  });
}

function heartPoints(r: number): Point[] {
  return Array.from({ length: 40 }, (_, i) => {
    const t = (i / 40) * 2 * Math.PI;
    const rise = 13 * Math.cos(t) - 5 * Math.cos(2 * t) - 2 * Math.cos(3 * t) - Math.cos(4 * t);
    return [r * Math.sin(t) ** 3, (-r * rise) / 16];
  });
}
