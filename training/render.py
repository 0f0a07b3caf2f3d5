"""Renders a shard of the training set, one file per aspect.

    python render.py OUT SEED COUNT SIZE [CAPTIONS]
        -> OUT-RxC.npy (uint8 NHWC, short side SIZE) and OUT-RxC.json (CAPTIONS wordings per picture)
"""
import json
import random
import sys

import numpy as np

import scenes

if __name__ == "__main__":
    out, seed, count, size = sys.argv[1], *map(int, sys.argv[2:5])
    wordings = int(sys.argv[5]) if len(sys.argv) > 5 else 6
    total = sum(scenes.ASPECTS.values())
    for aspect, share in scenes.ASPECTS.items():
        rng = random.Random(f"{seed} {aspect}")
        rows, columns = aspect
        number, name = count * share // total, f"{out}-{rows}x{columns}"
        shape = number, rows * size // scenes.PATCHES, columns * size // scenes.PATCHES, 3
        pictures = np.lib.format.open_memmap(f"{name}.npy", "w+", np.uint8, shape)
        listed = []
        for i in range(number):
            scene = scenes.sample(rng, aspect)
            pictures[i] = np.round(scenes.render(scene, size) * 255)
            listed.append([scenes.caption(scene, rng) for _ in range(wordings)])
        json.dump(listed, open(f"{name}.json", "w"))
