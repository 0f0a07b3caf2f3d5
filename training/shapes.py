"""Flat scenes: one to five coloured shapes on a plain background.

A scene is a dict: type "shapes", aspect (rows, columns), background, objects [{shape, color, size}], seed and one of
    side      where the only shape is (a key of SIDES)
    relation  how the first shape lies to the second (a key of RELATIONS)
    row       True: two or three different shapes from left to right
    count     2..5 equal shapes, arranged as on a die
    places    (x, y, radius) of every shape: a crowd, which has no caption and teaches the decoder alone
"""
import math
import random

from canvas import COLORS, PATCHES, SHAPES, Canvas, rgb

RADIUS = {"small": .14, None: .21, "large": .30}
SIDES = {"center": (.5, .5), "left": (.28, .5), "right": (.72, .5), "top": (.5, .28), "bottom": (.5, .72),
         "top left": (.28, .28), "top right": (.72, .28), "bottom left": (.28, .72), "bottom right": (.72, .72)}
PLAIN_SIDES = ["center", "left", "right", "top", "bottom"]
RELATIONS = {  # relation -> centres of the first and the second shape, fractions of the picture
    "left of": ((.27, .5), (.73, .5)), "right of": ((.73, .5), (.27, .5)),
    "above": ((.5, .27), (.5, .73)), "below": ((.5, .73), (.5, .27)), "inside": ((.5, .5), (.5, .5)),
}
SHELLS = ["circle", "square", "heart", "diamond"]  # shapes that have room for another one inside
DICE = {2: [(-.23, 0), (.23, 0)], 3: [(-.31, 0), (0, 0), (.31, 0)],
        4: [(-.22, -.22), (.22, -.22), (-.22, .22), (.22, .22)],
        5: [(-.27, -.27), (.27, -.27), (0, 0), (-.27, .27), (.27, .27)]}
LAYOUTS = ["side", "relation", "row", "count"]


def sample(rng, layout=None, aspect=(PATCHES, PATCHES), relation=None):
    """Draws a random flat scene."""
    layout = layout or rng.choices(LAYOUTS, (34, 40, 10, 16))[0]
    background, *colors = rng.sample(list(COLORS), 4)
    scene = dict(type="shapes", aspect=list(aspect), background=background, seed=rng.randrange(1 << 30))
    some = lambda i: dict(shape=rng.choice(SHAPES), color=colors[i], size=rng.choice(["small", "large", None]))
    if layout == "side":
        scene["objects"] = [some(0)]
        scene["side"] = rng.choice(list(SIDES)) if rng.random() < .5 else rng.choice(PLAIN_SIDES)
    elif layout == "relation":
        scene["objects"], scene["relation"] = [some(0), some(1)], relation or rng.choice(list(RELATIONS))
        if scene["relation"] == "inside":
            scene["objects"][0]["size"], scene["objects"][1]["size"] = "small", "large"
            scene["objects"][1]["shape"] = rng.choice(SHELLS)
    elif layout == "row":
        scene["objects"], scene["row"] = [some(i) for i in range(rng.choice([2, 3, 3]))], True
        if len(scene["objects"]) == 3:
            for item in scene["objects"]:
                item["size"] = None
    else:
        scene["objects"], scene["count"] = [some(0)], rng.choice(list(DICE))
        scene["objects"][0]["size"] = rng.choice(["small", None])
    return scene


def crowd(rng):
    """Many shapes of any size, mostly small ones, some of them inside a large one: as much to draw as fits into a picture."""
    background, *colors = rng.sample(list(COLORS), 6)
    some = lambda: dict(shape=rng.choice(SHAPES), color=rng.choice(colors), size=None)
    objects, places = [], []
    if rng.random() < .5:
        objects.append(dict(some(), shape=rng.choice(SHELLS)))
        places.append((rng.uniform(.4, .6), rng.uniform(.4, .6), rng.uniform(.26, .37)))
    shell = list(zip(objects, places))
    for _ in range(60):
        if len(places) == 8:
            break
        item, r = some(), .085 * math.exp(rng.random() ** 1.5 * 1.1)
        x, y = rng.uniform(r, 1 - r), rng.uniform(r, 1 - r)
        free = all(math.dist((x, y), (a, b)) > 1.05 * (r + q) for a, b, q in places[len(shell):])
        for around, (a, b, q) in shell:
            gap = math.dist((x, y), (a, b))
            free = free and (gap > 1.1 * (q + r) or gap + r < .6 * q and item["color"] != around["color"])
        if free:
            objects.append(item)
            places.append((x, y, r))
    return dict(type="shapes", aspect=[PATCHES, PATCHES], background=background, seed=0, objects=objects, places=places)


def place(scene):
    """Where every shape goes: list of (object, cx, cy, r) in drawing order, in canvas units."""
    rng = random.Random(scene["seed"])
    objects = scene["objects"]
    if "places" in scene:
        return [(o, x, y, r) for o, (x, y, r) in zip(objects, scene["places"])]
    height, width = (n / PATCHES for n in scene.get("aspect", (PATCHES, PATCHES)))
    jitter = lambda a: rng.uniform(-a, a)
    if "side" in scene:
        fx, fy = SIDES[scene["side"]]
        r = RADIUS[objects[0]["size"]] * rng.uniform(.93, 1.07)
        limit = lambda v, length: min(max(v, r * 1.1 + .02), length - .02 - r * 1.1)
        return [(objects[0], limit(fx * width + jitter(.03), width), limit(fy * height + jitter(.03), height), r)]
    if "relation" in scene:
        drift = jitter(.03), jitter(.03)
        radii = (.12, .36) if scene["relation"] == "inside" else [RADIUS[o["size"]] * .76 for o in objects]
        placed = [(o, x * width + drift[0], y * height + drift[1], r)
                  for o, (x, y), r in zip(objects, RELATIONS[scene["relation"]], radii)]
        return placed[::-1]
    drift = jitter(.02), jitter(.02)
    if "row" in scene:
        step = .46 if len(objects) == 2 else .31
        radii = [RADIUS[o["size"]] * .76 if len(objects) == 2 else .125 for o in objects]
        return [(o, width / 2 + (k - (len(objects) - 1) / 2) * step + drift[0], height / 2 + drift[1], r)
                for k, (o, r) in enumerate(zip(objects, radii))]
    r = {2: {"small": .10, None: .16}}.get(scene["count"], {"small": .085, None: .12})[objects[0]["size"]]
    return [(objects[0], width / 2 + x + drift[0], height / 2 + y + drift[1], r) for x, y in DICE[scene["count"]]]


def render(scene, size):
    """Float32 (rows, columns, 3), RGB in 0..1; the short side has `size` pixels."""
    canvas = Canvas(size, scene.get("aspect", (PATCHES, PATCHES)))
    canvas.image[:] = rgb(scene["background"])
    for item, cx, cy, r in place(scene):
        part = canvas.window(cx, cy, r)
        part.fill(part.shape(item["shape"], cx, cy, r), rgb(item["color"]))
    return canvas.image
