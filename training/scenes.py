"""Procedural captioned scenes: the only training data of the scenes model.

    rng = random.Random(7)
    scene = sample(rng)                 # a small dict, see shapes.py and landscapes.py
    text = caption(scene, rng)          # plain English, see captions.py
    picture = render(scene, 64)         # float32 array, RGB in 0..1; its short side has 64 pixels
"""
import landscapes
import shapes
from captions import caption, default_background
from canvas import PATCHES

ASPECTS = {  # (rows, columns) of latent cells -> how often
    (8, 8): 12, (8, 10): 1, (10, 8): 1, (8, 12): 2, (12, 8): 2, (8, 14): 1, (14, 8): 1}


def sample(rng, aspect=(PATCHES, PATCHES)):
    """Draws a random scene for the given aspect."""
    if rng.random() < .42:
        return landscapes.sample(rng, aspect)
    scene = shapes.sample(rng, None, aspect)
    if rng.random() < .10:
        scene["background"] = default_background(scene)
        if any(o["color"] == scene["background"] for o in scene["objects"]):
            return sample(rng, aspect)
    if len(scene["objects"]) > 1 and scene.get("relation") != "inside" and rng.random() < .06:
        scene["objects"][1]["color"] = scene["objects"][0]["color"]
    return scene


def render(scene, size):
    return (shapes if scene["type"] == "shapes" else landscapes).render(scene, size)
