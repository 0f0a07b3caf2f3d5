"""Landscapes: a sky, a ground and a few things in it.

A scene is a dict: type "landscape", aspect (rows, columns), time (a key of SKIES), land (one of LANDS), seed and optionally
light "sun" or "moon", light_side "left"/"right", stars, clouds, trees, cactus (all True), house and boat (a colour),
thing_side "left"/"right" (of the house or the boat).
"""
import math
import random

import numpy as np

from canvas import PATCHES, Canvas, rgb

LANDS = ["mountains", "hills", "sea", "desert", "forest", "snowy mountains"]
SKIES = {  # time of day -> (colour at the top, colour at the horizon), RGB in 0..1
    "day": ((.36, .62, .93), (.78, .90, .99)),
    "sunset": ((.36, .22, .50), (.99, .60, .30)),
    "night": ((.04, .05, .16), (.15, .18, .38)),
}
BOATS = ["red", "white", "yellow", "black", "blue", "green", "orange"]
HOUSES = ["red", "white", "blue", "yellow", "green", "orange", "pink", "purple"]


def sample(rng, aspect=(PATCHES, PATCHES)):
    """Draws a random landscape."""
    time, land = rng.choice(list(SKIES)), rng.choice(LANDS)
    scene = dict(type="landscape", aspect=list(aspect), time=time, land=land, seed=rng.randrange(1 << 30))
    side = lambda: rng.choice(["left", "right", None])
    if rng.random() < .55:
        scene["light"] = "moon" if time == "night" else "sun"
        scene["light_side"] = side()
    if time == "night" and rng.random() < .5:
        scene["stars"] = True
    if time != "night" and rng.random() < .35:
        scene["clouds"] = True
    if land == "sea" and rng.random() < .6:
        scene["boat"] = rng.choice(BOATS)
    if land in ("hills", "mountains", "snowy mountains", "desert") and rng.random() < .45:
        scene["house"] = rng.choice(HOUSES)
    if "boat" in scene or "house" in scene:
        scene["thing_side"] = side()
    if land in ("hills", "mountains", "snowy mountains") and rng.random() < .4:
        scene["trees"] = True
    if land == "desert" and rng.random() < .6:
        scene["cactus"] = True
    return {k: v for k, v in scene.items() if v is not None}


def sky_color(time, y):
    """RGB of the plain sky at height y (0 = top of the picture, 1 = bottom)."""
    top, horizon = (np.asarray(c, np.float32) for c in SKIES[time])
    return top + (horizon - top) * np.clip(np.asarray(y)[..., None] / .62, 0, 1)


def shade(time, color):
    """A daylight colour as it looks at another time of day."""
    dark = {"day": 1, "sunset": .74, "night": .48}[time]
    tint = {"day": (1, 1, 1), "sunset": (1.1, .9, .85), "night": (.75, .85, 1.25)}[time]
    return np.clip(np.asarray(color, np.float32) * dark * np.asarray(tint, np.float32), 0, 1)


def thing_color(time, name):
    """Colour of a house's wall or a boat's hull."""
    return np.clip(shade(time, rgb(name)) * 1.12, 0, 1)


def across(rng, side, low=.3, high=.7):
    """A place from left to right as a fraction of the width."""
    return {"left": rng.uniform(.22, .30), "right": rng.uniform(.70, .78)}.get(side) or rng.uniform(low, high)


def render(scene, size):
    """Float32 (rows, columns, 3), RGB in 0..1; the short side has `size` pixels."""
    rng = random.Random(scene["seed"])
    canvas, time = Canvas(size, scene.get("aspect", (PATCHES, PATCHES))), scene["time"]
    w, h = canvas.width, canvas.height
    lit = lambda color: shade(time, color)
    canvas.image[:] = sky_color(time, canvas.y / h)
    draw_sky(canvas, scene, rng)
    ground = {"mountains": draw_mountains, "snowy mountains": draw_mountains, "hills": draw_hills,
              "sea": draw_sea, "desert": draw_desert, "forest": draw_forest}[scene["land"]]
    ground(canvas, scene, rng, lit)
    thing = across(rng, scene.get("thing_side"), .36, .64)
    if scene.get("trees"):
        for k in range(round(3 * w)):
            left = (True, False, rng.random() < .5)[k % 3]
            x = rng.uniform(.06, .26) if left else w - rng.uniform(.06, .26)
            draw_pine(canvas, x, rng.uniform(.80, .93) * h, rng.uniform(.24, .32), lit)
    if "house" in scene:
        draw_house(canvas, thing * w, .88 * h, thing_color(time, scene["house"]), time, lit)
    if "boat" in scene:
        draw_boat(canvas, thing * w, .76 * h, thing_color(time, scene["boat"]), lit)
    if scene.get("cactus"):
        left = thing > .5 if "house" in scene else rng.random() < .5
        x = rng.uniform(.14, .24)
        draw_cactus(canvas, x if left else w - x, rng.uniform(.88, .92) * h, lit)
    return np.clip(canvas.image, 0, 1)


def draw_sky(canvas, scene, rng):
    time, w, h = scene["time"], canvas.width, canvas.height
    x = across(rng, scene.get("light_side"), .2, .8) * w
    if scene.get("stars"):
        places = []
        for _ in range(400):
            if len(places) == round(10 * w * h):
                break
            p = rng.uniform(.04, w - .04), rng.uniform(.04, .42 * h)
            if all(math.dist(p, q) > .13 for q in places) and not ("light" in scene and math.dist(p, (x, .2 * h)) < .17):
                places.append(p)
        for cx, cy in places:
            canvas.fill(canvas.circle(cx, cy, rng.uniform(.014, .021)), (1, 1, .9))
    if scene.get("light") == "sun":
        low = .42 if scene["land"] in ("sea", "desert", "hills") else .24  # higher where trees or peaks would hide it
        y = (.2 if time == "day" else low) * h
        canvas.fill(canvas.circle(x, y, .15), (1, .95, .6), .35)
        canvas.fill(canvas.circle(x, y, .1), (1, .93, .35) if time == "day" else (1, .82, .35))
    if scene.get("light") == "moon":
        y = .2 * h
        canvas.fill(np.maximum(canvas.circle(x, y, .105), -canvas.circle(x + .055, y - .025, .09)), (.96, .95, .85))
    if scene.get("clouds"):
        color, count = (1, 1, 1) if time == "day" else (1, .82, .75), round(3 * w)
        for i in range(count):
            cx, cy = (i + .5) / count * w + rng.uniform(-.08, .08), rng.uniform(.1, .3) * h
            for k, r in enumerate((.038, .055, .055, .038)):
                canvas.fill(canvas.circle(cx + (k - 1.5) * .058, cy - (.012 if k in (1, 2) else -.008), r), color, .95)


def draw_mountains(canvas, scene, rng, lit):
    snowy, w, base = scene["land"] == "snowy mountains", canvas.width, .70 * canvas.height
    rock, count = np.asarray((.42, .42, .5) if snowy else (.45, .4, .36)), round(3 * w)
    for k in range(count):
        cx = (k + .5) / count * w + rng.uniform(-.08, .08)
        h, half, tone = .42 * canvas.height ** .7 * rng.uniform(.75, 1.1), rng.uniform(.28, .4), rng.uniform(.9, 1.1)
        peak, foot = base - h, base + .02
        canvas.fill(canvas.polygon([(cx, peak), (cx + half, foot), (cx - half, foot)]), lit(rock * tone))
        canvas.fill(canvas.polygon([(cx, peak), (cx + half, foot), (cx + half * .1, foot)]), lit(rock * tone * .78))
        if snowy:
            q = .38
            canvas.fill(canvas.polygon([(cx, peak), (cx + half * q, peak + h * q), (cx + half * .12, peak + h * q * .8),
                                        (cx, peak + h * q * 1.15), (cx - half * .15, peak + h * q * .8),
                                        (cx - half * q, peak + h * q)]), lit((.97, .98, 1)))
    canvas.fill(base - .02 - canvas.y, lit((.93, .95, 1) if snowy else (.36, .6, .28)))


def draw_hills(canvas, scene, rng, lit):
    for base, color in ((.60, (.46, .72, .36)), (.71, (.36, .63, .29)), (.84, (.27, .52, .23))):
        wave = np.sin(canvas.x * rng.uniform(4, 8) + rng.uniform(0, 6.3))
        canvas.fill(base * canvas.height + .05 * wave - canvas.y, lit(color))


def draw_sea(canvas, scene, rng, lit):
    canvas.fill(.58 * canvas.height - canvas.y, lit((.12, .42, .72)))
    for _ in range(round(7 * canvas.width * canvas.height)):
        x, y = rng.uniform(0, canvas.width), rng.uniform(.62, .97) * canvas.height
        canvas.fill(canvas.box(x, y, rng.uniform(.05, .12), .008), lit((.6, .8, .95)), .7)


def draw_desert(canvas, scene, rng, lit):
    for base, color in ((.62, (.95, .8, .5)), (.76, (.88, .68, .37))):
        canvas.fill(base * canvas.height + .045 * np.sin(canvas.x * 5 + rng.uniform(0, 6.3)) - canvas.y, lit(color))


def draw_forest(canvas, scene, rng, lit):
    w, tall = canvas.width, canvas.height ** .6
    canvas.fill(.66 * canvas.height - canvas.y, lit((.22, .45, .2)))
    for y, count, h in ((.74, round(6 * w), .36 * tall), (.92, round(5 * w), .46 * tall)):
        for k in range(count):
            x = (k + .5) / count * w + rng.uniform(-.03, .03)
            draw_pine(canvas, x, (y + rng.uniform(-.02, .03)) * canvas.height, h * rng.uniform(.9, 1.1), lit)


def draw_pine(canvas, x, y, h, lit):
    """A pine of height about h standing at (x, y)."""
    canvas.fill(canvas.box(x, y - .02, h * .06, .03), lit((.36, .23, .13)))
    for k in range(3):
        w, base = h * (.34 - .07 * k), y - .03 - h * .24 * k
        canvas.fill(canvas.polygon([(x, base - h * .42), (x + w, base), (x - w, base)]),
                    lit(np.asarray((.12, .42, .22)) * (1 + .16 * k)))


def draw_house(canvas, x, y, wall, time, lit):
    """A house with a door and two windows standing on the line y."""
    w = .14
    canvas.fill(canvas.box(x, y - .09, w, .09), wall)
    canvas.fill(canvas.polygon([(x, y - .33), (x + w * 1.3, y - .175), (x - w * 1.3, y - .175)]), lit((.45, .22, .16)))
    canvas.fill(canvas.box(x, y - .05, .028, .05), lit((.3, .18, .1)))
    glass = (.75, .9, 1) if time == "day" else (1, .85, .35)
    for side in (-.085, .085):
        canvas.fill(canvas.box(x + side, y - .11, .026, .026), glass)


def draw_boat(canvas, x, y, hull, lit):
    """A sailing boat whose hull is centred at (x, y)."""
    canvas.fill(canvas.box(x, y - .17, .009, .15), lit((.35, .22, .12)))
    canvas.fill(canvas.polygon([(x + .014, y - .31), (x + .16, y - .06), (x + .014, y - .06)]), lit((1, 1, .98)))
    canvas.fill(canvas.polygon([(x - .2, y - .03), (x + .2, y - .03), (x + .13, y + .07), (x - .13, y + .07)]), hull)


def draw_cactus(canvas, x, y, lit):
    """A saguaro with a bent arm on either side, standing at (x, y)."""
    color = lit((.16, .52, .26))
    canvas.fill(canvas.capsule(x, y - .36, x, y, .042), color)
    for dx, elbow, tip in ((-.115, .13, .25), (.115, .19, .32)):
        canvas.fill(canvas.capsule(x, y - elbow, x + dx, y - elbow, .026), color)
        canvas.fill(canvas.capsule(x + dx, y - elbow, x + dx, y - tip, .028), color)
    canvas.fill(canvas.box(x, y + .02, .06, .022), lit((.88, .68, .37)))
