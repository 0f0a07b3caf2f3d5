"""Judges pictures by their scene: the renderer knows what should be where.

judge(scene, picture) -> {check: passed}; pictures are float arrays whose short side has SIZE pixels.
    flat scenes: background, color(s), and side, relation, order or count, kind(s)
    landscapes:  sky, land, and light (sun or moon), side of the light, object (boat or house by colour), stars, clouds, trees, cactus
"""
import functools
import random

import numpy as np
from PIL import Image

import landscapes
import shapes
from canvas import COLORS, PATCHES, SHAPES, Canvas, rgb

SIZE = 64
NAMES = list(COLORS)
PALETTE = np.stack([rgb(n) for n in NAMES])
SQUARE = (PATCHES, PATCHES)


def load(path, aspect=SQUARE):
    rows, columns = (n * SIZE // PATCHES for n in aspect)
    return np.asarray(Image.open(path).convert("RGB").resize((columns, rows), Image.BOX)).astype(np.float32) / 255


def judge(scene, picture):
    return judge_flat(scene, picture) if scene["type"] == "shapes" else judge_landscape(scene, picture)


# ---------------------------------------------------------------- flat scenes

def nearest(pixels):
    """Index of the palette colour nearest to each pixel: (..., 3) -> (...)."""
    return ((pixels[..., None, :] - PALETTE) ** 2).sum(-1).argmin(-1)


def solid(mask, picture):
    """Drops pixels unlike the mask's own colour: anti-aliasing mixes colours where two areas meet."""
    if not mask.any():
        return mask
    return mask & (((picture - np.median(picture[mask], 0)) ** 2).sum(-1) < .03)


def components(mask, least=6):
    """The connected parts of a mask with at least `least` pixels, as masks."""
    left, parts = mask.copy(), []
    while left.any():
        todo, part = [tuple(np.argwhere(left)[0])], np.zeros_like(mask)
        left[todo[0]] = False
        while todo:
            y, x = todo.pop()
            part[y, x] = True
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < mask.shape[0] and 0 <= u < mask.shape[1] and left[v, u]:
                    left[v, u] = False
                    todo.append((v, u))
        if part.sum() >= least:
            parts.append(part)
    return parts


@functools.lru_cache(None)
def extent(kind):
    """(top, bottom, left, right) of a shape of radius .3 around (.5, .5), in units."""
    probe = Canvas(200).shape(kind, .5, .5, .3) < 0
    rows, columns = np.where(probe.any(1))[0], np.where(probe.any(0))[0]
    return rows[0] / 200, (rows[-1] + 1) / 200, columns[0] / 200, (columns[-1] + 1) / 200


def best_kind(mask):
    """The shape whose silhouette, moved and scaled onto the mask, overlaps it best."""
    if not mask.any():
        return None
    rows, columns = np.where(mask.any(1))[0], np.where(mask.any(0))[0]
    top, bottom, left, right = rows[0] / SIZE, (rows[-1] + 1) / SIZE, columns[0] / SIZE, (columns[-1] + 1) / SIZE
    canvas = Canvas(SIZE, tuple(n * PATCHES // SIZE for n in mask.shape))

    def overlap(kind):
        t, b, l, r = extent(kind)
        scale = ((bottom - top) / (b - t) + (right - left) / (r - l)) / 2
        cy, cx = (top + bottom) / 2 - ((t + b) / 2 - .5) * scale, (left + right) / 2 - ((l + r) / 2 - .5) * scale
        ideal = canvas.shape(kind, cx, cy, .3 * scale) < 0
        return (ideal & mask).sum() / max(1, (ideal | mask).sum())
    return max(SHAPES, key=overlap)


def judge_flat(scene, picture):
    labels = nearest(picture)
    border = np.concatenate([labels[:3].ravel(), labels[-3:].ravel(), labels[:, :3].ravel(), labels[:, -3:].ravel()])
    result = {"background": NAMES[np.bincount(border, minlength=len(NAMES)).argmax()] == scene["background"]}
    far = ((picture - np.median(picture[[0, 1, -2, -1]].reshape(-1, 3), 0)) ** 2).sum(-1) > .04
    canvas = Canvas(SIZE, scene.get("aspect", SQUARE))
    placed, ideal, masks, centers = shapes.place(scene), {}, {}, {}
    for item, cx, cy, r in placed:
        ideal[id(item)] = ideal.get(id(item), 0) + (canvas.shape(item["shape"], cx, cy, r) < 0).sum()
    for item in scene["objects"]:
        mask = (labels == NAMES.index(item["color"])) & far
        masks[id(item)] = solid(mask, picture)
        centers[id(item)] = (canvas.x[mask].mean(), canvas.y[mask].mean()) if mask.sum() > .3 * ideal[id(item)] else None
    found = [centers[id(o)] for o in scene["objects"]]
    seen = all(c is not None for c in found)
    kinds = lambda: all(best_kind(masks[id(o)]) == o["shape"] for o in scene["objects"])
    if "side" in scene:
        fx, fy = shapes.SIDES[scene["side"]]
        result["color"] = seen
        result["side"] = seen and abs(found[0][0] - fx * canvas.width) < .12 and abs(found[0][1] - fy * canvas.height) < .12
        result["kind"] = seen and best_kind(far) == scene["objects"][0]["shape"]
    elif "relation" in scene:
        result["colors"] = seen
        if not seen:
            return {**result, "relation": False, "kinds": False}
        dx, dy = found[0][0] - found[1][0], found[0][1] - found[1][1]
        result["relation"] = bool({"left of": dx < -.2, "right of": dx > .2, "above": dy < -.2, "below": dy > .2,
                                   "inside": abs(dx) < .1 and abs(dy) < .1}[scene["relation"]])
        if scene["relation"] == "inside":
            masks[id(scene["objects"][1])] |= masks[id(scene["objects"][0])]
        result["kinds"] = kinds()
    elif "row" in scene:
        result["colors"] = seen
        result["order"] = seen and all(a[0] < b[0] for a, b in zip(found, found[1:]))
        result["kinds"] = seen and kinds()
    else:
        parts = components(solid(masks[id(scene["objects"][0])], picture), 12)
        result["color"] = seen
        result["count"] = len(parts) == scene["count"]
        result["kinds"] = bool(parts) and sum(best_kind(p) == scene["objects"][0]["shape"] for p in parts) >= max(1, len(parts) - 1)
    return result


# ---------------------------------------------------------------- landscapes

@functools.lru_cache(None)
def reference(time, land, aspect):
    """Mean thumbnail of plain renders."""
    rng = random.Random(f"{time} {land}")
    return np.mean([landscapes.render(dict(type="landscape", time=time, land=land, aspect=aspect, seed=rng.randrange(1 << 30)), 16)
                    for _ in range(12)], 0)


def close(area, color, limit=.05):
    return ((area - np.asarray(color)) ** 2).sum(-1) < limit


def compact(mask, least):
    """The connected parts of a mask that have at least `least` pixels and are neither wide nor flat: no stars, no strips of sand."""
    kept = np.zeros_like(mask)
    for part in components(mask, least):
        extents = [np.ptp(axis) + 1 for axis in np.where(part)]
        if max(extents) <= SIZE / 3 and min(extents) > 4:
            kept |= part
    return kept


def judge_landscape(scene, picture):
    aspect, time = tuple(scene.get("aspect", SQUARE)), scene["time"]
    height, width = picture.shape[:2]
    part = lambda a, b: picture[int(a * height):int(b * height)]
    sky, times = part(.015, .09).mean((0, 1)), list(landscapes.SKIES)
    tops = np.stack([landscapes.sky_color(t, np.array([.05]))[0] for t in times])
    result = {"sky": times[((sky - tops) ** 2).sum(1).argmin()] == time}
    thumb = np.asarray(Image.fromarray((picture * 255).astype(np.uint8)).resize((2 * aspect[1], 2 * aspect[0]), Image.BOX)) / 255
    low = len(thumb) * 5 // 16
    result["land"] = min(landscapes.LANDS, key=lambda l: abs(thumb[low:] - reference(time, l, aspect)[low:]).mean()) == scene["land"]
    if "light" in scene:
        color = {("sun", "day"): (1, .93, .35), ("sun", "sunset"): (1, .82, .35), ("moon", "night"): (.96, .95, .85)}[scene["light"], time]
        near = compact(close(part(0, .625), color, .06), 15 if scene["light"] == "moon" else 18)
        result["light"] = bool(near.sum() > (14 if scene["light"] == "moon" else 30))
        if result["light"] and "light_side" in scene:
            result["light side"] = bool((np.where(near)[1].mean() < width / 2) == (scene["light_side"] == "left"))
    thing = "boat" if "boat" in scene else "house" if "house" in scene else None
    if thing:
        area = part(.69, .86) if thing == "boat" else part(.69, .89)
        others = [landscapes.thing_color(time, c) for c in landscapes.HOUSES + ["black"] if c != scene[thing]]
        mine = ((area - landscapes.thing_color(time, scene[thing])) ** 2).sum(-1)
        near = (mine < .05) & (mine < np.min([((area - o) ** 2).sum(-1) for o in others], 0))
        result["object"] = bool(near.sum() > 30)
        if result["object"] and "thing_side" in scene:
            result["object side"] = bool((np.where(near)[1].mean() < width / 2) == (scene["thing_side"] == "left"))
    if scene.get("stars"):
        bright = part(0, .45).min(-1) > np.median(part(0, .45).min(-1)) + .22
        result["stars"] = len([p for p in components(bright, 1) if p.sum() < 16]) >= 5
    if scene.get("clouds"):
        color = (1, 1, 1) if time == "day" else (1, .82, .75)
        result["clouds"] = bool(close(part(.05, .36), color, .03).sum() > 60)
    if scene.get("trees") or scene.get("cactus"):
        area = part(.55, .95)
        greens = [landscapes.shade(time, np.asarray((.12, .42, .22)) * (1 + .16 * k)) for k in range(3)]
        greens = greens if scene.get("trees") else [landscapes.shade(time, (.16, .52, .26))]
        near = np.any([close(area, g, .008 if time != "night" else .003) for g in greens], 0)
        result["trees" if scene.get("trees") else "cactus"] = bool(near.sum() > 45)
    return result
