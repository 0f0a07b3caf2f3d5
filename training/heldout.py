"""Writes the fixed captions by which `npm run eval:model` measures a model, with all that it must know of the renderer.

    python heldout.py ../bench/model/heldout.json --count 300

The judge of the pictures is oracle.py in TypeScript (bench/model/); what it looks for is in this file's output: colours,
ideal areas, and what the ground of each landscape looks like on average.
"""
import argparse
import base64
import json
import random

import landscapes
import numpy as np
import shapes
from canvas import COLORS, PATCHES, Canvas, rgb
from evaluate import NEGATIVES, free, group, negative, plain

SIZE = 64
SEED = 90210  # neither of the training shards nor of the first evaluation


def ideal_areas(scene):
    """Pixels that each object covers at SIZE, and the parts of the scene that it has."""
    canvas, areas = Canvas(SIZE, scene["aspect"]), {id(o): 0 for o in scene["objects"]}
    for item, cx, cy, r in shapes.place(scene):
        areas[id(item)] += int((canvas.shape(item["shape"], cx, cy, r) < 0).sum())
    return [areas[id(o)] for o in scene["objects"]]


def entry(job):
    scene = dict(job["scene"])
    if scene["type"] == "shapes":
        scene["objects"] = [dict(o, area=a) for o, a in zip(scene["objects"], ideal_areas(scene))]
    scene.pop("seed")
    kept = {k: job[k] for k in ("prompt", "negative_prompt", "seed", "rows", "columns") if k in job}
    return {**kept, "group": group(job["scene"]), "scene": scene}


def reference(time, land, aspect):
    """The ground of plain renders on average, as bytes: two cells per patch, from 5/16 of the height downwards."""
    rng = random.Random(f"{time} {land}")
    scenes = [dict(type="landscape", time=time, land=land, aspect=aspect, seed=rng.randrange(1 << 30)) for _ in range(12)]
    mean = np.mean([landscapes.render(s, 16) for s in scenes], 0)
    low = mean[len(mean) * 5 // 16:]
    return base64.b64encode(np.rint(low * 255).astype(np.uint8).tobytes()).decode()


def whole(color):
    return [round(float(v), 4) for v in color]


def renderer(aspects):
    times = list(landscapes.SKIES)
    pines = [np.asarray((.12, .42, .22)) * (1 + .16 * k) for k in range(3)]
    return {
        "patches": PATCHES,
        "palette": {name: whole(rgb(name)) for name in COLORS},
        "sides": shapes.SIDES,
        "skies": {t: whole(landscapes.sky_color(t, np.array([.05]))[0]) for t in times},
        "lands": landscapes.LANDS,
        "things": {t: {c: whole(landscapes.thing_color(t, c)) for c in dict.fromkeys(landscapes.HOUSES + landscapes.BOATS)} for t in times},
        "pines": {t: [whole(landscapes.shade(t, p)) for p in pines] for t in times},
        "cactus": {t: whole(landscapes.shade(t, (.16, .52, .26))) for t in times},
        "references": {f"{t} {l} {a[0]}x{a[1]}": reference(t, l, a) for t in times for l in landscapes.LANDS for a in aspects},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--count", type=int, default=300, help="captions per set; of negative prompts there are always six pairs each")
    parser.add_argument("--seed", type=int, default=SEED, help="another one gives other captions, for `npm run eval:model -- --captions FILE`")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    sets = {"plain": plain(rng, args.count), "free": free(rng, args.count), "negative": negative(rng, 12 * len(NEGATIVES))}
    aspects = sorted({(j["rows"], j["columns"]) for jobs in sets.values() for j in jobs})
    written = {"renderer": renderer(aspects), "sets": {name: [entry(j) for j in jobs] for name, jobs in sets.items()}}
    with open(args.out, "w") as file:
        file.write(json.dumps(written, separators=(",", ":")).replace('{"prompt"', '\n{"prompt"') + "\n")
