"""Measures how well pictures follow their captions; the renderer itself is the oracle (oracle.py).

    python evaluate.py prompts --set plain|free|negative --count 120 --out JOBS.json
    node generate.mjs MODEL_DIR JOBS.json PICTURES        # or any other pipeline that writes 000.png ...
    python evaluate.py score --jobs JOBS.json --pictures PICTURES [--verbose]
    python evaluate.py check --jobs JOBS.json             # scores true renders: how far to trust the oracle

plain:    canonical words, square, the layouts that scenes-v0 knew; free: any wording, layout and aspect;
negative: the same prompt without and with a negative prompt that names something in it.
"""
import argparse
import json
import random

import captions
import landscapes
import numpy as np
import oracle
import scenes
import shapes


def job(scene, prompt, number, **more):
    rows, columns = scene["aspect"]
    return {"prompt": prompt, "seed": number, "steps": 20, "guidance": 3, "rows": rows, "columns": columns, **more, "scene": scene}


def group(scene):
    return next((k for k in ("side", "relation", "row", "count") if k in scene), "landscape")


def plain(rng, count):
    jobs = []
    for layout in ("side", "relation", "landscape"):
        for _ in range(count // 3):
            if layout == "landscape":
                scene = landscapes.sample(rng)
                for key in ("light_side", "thing_side"):
                    scene.pop(key, None)
                if "trees" in scene and scene["land"] == "snowy mountains":
                    del scene["trees"]
                scene["boat" if "boat" in scene else "house"] = rng.choice(["red", "white", "yellow"]) if "boat" in scene or "house" in scene else None
                scene = {k: v for k, v in scene.items() if v is not None}
            else:
                scene = shapes.sample(rng, layout)
                if scene.get("side") not in [None, *shapes.PLAIN_SIDES]:
                    scene["side"] = rng.choice(shapes.PLAIN_SIDES)
            jobs.append(job(scene, captions.caption(scene, rng, plain=True), len(jobs) + 1))
    return jobs


def free(rng, count):
    jobs, aspects = [], [(8, 8), (8, 8), (8, 12), (12, 8), (8, 14), (8, 10)]
    layouts = ["side", "relation", "relation", "row", "count", "landscape", "landscape", "landscape"]
    for k in range(count):
        aspect, layout = aspects[k % len(aspects)], layouts[k % len(layouts)]
        scene = landscapes.sample(rng, aspect) if layout == "landscape" else shapes.sample(rng, layout, aspect)
        writer = captions.Writer(rng)
        text = (writer.landscape if layout == "landscape" else writer.flat)(scene)
        if layout == "landscape":  # judge only what the caption says
            said = text.split()
            for key in ("house", "boat"):
                if key in scene and not any(c in said for c in [scene[key], *captions.SYNONYMS.get(scene[key], [])]):
                    del scene[key]
            for key, marks in (("stars", ("star",)), ("clouds", ("cloud",)), ("trees", ("tree", "pine")), ("cactus", ("cact", "saguaro")),
                               ("light", ("sun ", "sun,", "moon", "sunshine"))):
                if key in scene and not any(m in text + " " for m in marks):
                    del scene[key]
            for key in ("light_side", "thing_side"):
                if key in scene and " left" not in text and " right" not in text:
                    del scene[key]
        jobs.append(job(scene, text, k + 1))
    return jobs


NEGATIVES = [  # prompt, negative prompt, scene that shows the unwanted thing: what guidance often adds to prompts that do not name it
    ("night", "moon", dict(land="hills", time="night", light="moon")),
    ("boat at night", "moon", dict(land="sea", time="night", light="moon")),
    ("a starry night", "moon", dict(land="hills", time="night", light="moon")),
    ("day", "sun", dict(land="mountains", time="day", light="sun")),
    ("morning", "sun", dict(land="mountains", time="day", light="sun")),
    ("water", "boat", dict(land="sea", time="day", boat=None)),
    ("a cottage", "clouds", dict(land="hills", time="day", clouds=True)),
    ("countryside at sunset", "trees", dict(land="hills", time="sunset", trees=True)),
]


def negative(rng, count):
    """Jobs in pairs: a prompt, then the same with a negative prompt. Prompts leave the unwanted thing to chance."""
    jobs = []
    for k in range(count // 2):
        prompt, unwanted, scene = NEGATIVES[k % len(NEGATIVES)]
        scene = dict(type="landscape", aspect=[8, 8], seed=1, **scene)
        jobs += [job(scene, prompt, 100 + k), job(scene, prompt, 100 + k, negative_prompt=unwanted)]
    return jobs


def score(jobs, pictures, verbose=False):
    """Prints the pass rate of every check by kind of scene and returns the summary."""
    table, whole = {}, {}
    for one, picture in zip(jobs, pictures):
        scene = one["scene"]
        result = oracle.judge(scene, picture)
        name = group(scene)
        for check, passed in result.items():
            table.setdefault(name, {}).setdefault(check, []).append(bool(passed))
        whole.setdefault(name, []).append(all(result.values()))
        if verbose and not all(result.values()):
            print(f"{one['seed']:4d} {one['prompt']}: {', '.join(k for k, v in result.items() if not v)}")
    for name, checks in table.items():
        print(f"{name:10s}", ", ".join(f"{c} {sum(v)}/{len(v)}" for c, v in checks.items()), f"| all right {sum(whole[name])}/{len(whole[name])}")
    flat = [v for checks in table.values() for values in checks.values() for v in values]
    pictures_right = [v for values in whole.values() for v in values]
    print(f"all checks {sum(flat)}/{len(flat)} = {100 * np.mean(flat):.1f} %; pictures with every check right {sum(pictures_right)}/{len(pictures_right)}")


def shows(scene, unwanted, picture):
    """Whether a landscape shows the thing, in whichever colour."""
    if unwanted in ("boat", "house"):
        return any(oracle.judge({**scene, unwanted: c}, picture)["object"] for c in ("red", "orange", "yellow", "white"))
    return oracle.judge(scene, picture)[unwanted if unwanted in scene else "light"]


def score_negative(jobs, pictures):
    shown = gone = appeared = 0
    for a in range(0, len(jobs), 2):
        scene, unwanted = jobs[a]["scene"], jobs[a + 1]["negative_prompt"]
        before, after = (shows(scene, unwanted, p) for p in pictures[a:a + 2])
        shown, gone, appeared = shown + before, gone + (before and not after), appeared + (after and not before)
    print(f"negative prompts: the thing was there by chance in {shown} of {len(jobs) // 2} pictures, the negative prompt "
          f"removed it from {gone} of them and added it to {appeared}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["prompts", "score", "check"])
    parser.add_argument("--set", choices=["plain", "free", "negative"], default="plain")
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--out", default="jobs.json")
    parser.add_argument("--jobs", default="jobs.json")
    parser.add_argument("--pictures")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    if args.action == "prompts":
        jobs = {"plain": plain, "free": free, "negative": negative}[args.set](random.Random(4242), args.count)
        json.dump(jobs, open(args.out, "w"), indent=1)
    else:
        jobs = json.load(open(args.jobs))
        if args.action == "check":
            pictures = [scenes.render({k: v for k, v in j["scene"].items() if v}, oracle.SIZE) for j in jobs]
        else:
            pictures = [oracle.load(f"{args.pictures}/{i:03d}.png", (j.get("rows", 8), j.get("columns", 8))) for i, j in enumerate(jobs)]
        if any("negative_prompt" in j for j in jobs):
            score_negative(jobs, pictures)
        else:
            score(jobs, pictures, args.verbose)
