"""Renders a shard of the training set, one file per aspect.

    python render.py OUT SEED COUNT SIZE [CAPTIONS] [KIND]
        -> OUT-RxC.npy (uint8 NHWC, short side SIZE) and OUT-RxC.json (CAPTIONS wordings per picture)

KIND: scenes (unset), all there is; several, flat scenes of several shapes; inside, those with one shape in another;
crowd, squares full of shapes, without captions.
"""
import json
import random
import sys

import numpy as np

import scenes
import shapes

KINDS = {
    "scenes": scenes.sample,
    "several": lambda rng, aspect: shapes.sample(rng, rng.choice(["relation", "relation", "row", "count"]), aspect),
    "inside": lambda rng, aspect: shapes.sample(rng, "relation", aspect, "inside"),
    "crowd": lambda rng, aspect: shapes.crowd(rng),
}

if __name__ == "__main__":
    out, seed, count, size = sys.argv[1], *map(int, sys.argv[2:5])
    wordings = int(sys.argv[5]) if len(sys.argv) > 5 else 6
    kind = sys.argv[6] if len(sys.argv) > 6 else "scenes"
    aspects = {(8, 8): 1} if kind == "crowd" else scenes.ASPECTS
    total = sum(aspects.values())
    for aspect, share in aspects.items():
        rng = random.Random(f"{seed} {aspect}")
        rows, columns = aspect
        number, name = count * share // total, f"{out}-{rows}x{columns}"
        shape = number, rows * size // scenes.PATCHES, columns * size // scenes.PATCHES, 3
        pictures = np.lib.format.open_memmap(f"{name}.npy", "w+", np.uint8, shape)
        listed = []
        for i in range(number):
            scene = KINDS[kind](rng, aspect)
            pictures[i] = np.round(scenes.render(scene, size) * 255)
            listed.append([] if kind == "crowd" else [scenes.caption(scene, rng) for _ in range(wordings)])
        json.dump(listed, open(f"{name}.json", "w"))
