"""The word list, and how it grows when captions.py learns new words: the old ids never change.

    python vocabulary.py WORK      # grows the text embedding in WORK/unet.pt to all words of captions.py
"""
import sys

import torch

import captions
import model as M


def extended(old):
    """The old vocabulary with every new word of captions.py appended in alphabetical order."""
    known = {w for text in captions.words() for w in M.tokenize(text)} - {captions.UNKNOWN}
    new = sorted(known - set(old))
    return {**(old or {"<pad>": 0, "<unk>": 1}), **{w: len(old or "12") + i for i, w in enumerate(new)}}


def kin():
    """new word -> a canonical word that means the same, where there is one."""
    table = {}
    for word, variants in captions.SYNONYMS.items():
        for variant in variants:
            fresh = M.tokenize(variant)
            table.setdefault(fresh[-1], M.tokenize(word)[-1])
    for shape in ("circle", "square", "triangle", "star", "heart", "ring", "diamond"):
        for name in [shape, *captions.SYNONYMS.get(shape, [])]:
            table.setdefault(name + ("es" if name[-1] in "xs" else "s"), shape)
    table.update(backdrop="background", centre="center", middle="center", upper="top", lower="bottom", under="below", beneath="below",
                 underneath="below", over="above", within="inside", dusk="sunset", dawn="sunset", sunrise="sunset", evening="sunset",
                 twilight="sunset", midnight="night", nighttime="night", dark="night", noon="day", morning="day", daytime="day",
                 afternoon="day", daylight="day", snow="snowy", winter="snowy", starry="stars", cloudy="clouds", sunny="sun", moonlit="moon",
                 moonlight="moon", sunshine="sun", boats="boat", houses="house", without="<unk>")
    return table


def grow(state):
    """A checkpoint whose text embedding has a row for every word; new rows copy their kin or the unknown word."""
    old = state["vocabulary"]
    new = extended(old)
    relatives = kin()
    rows = state["ema"]["text.embed.weight"]
    fresh = [rows[old.get(relatives.get(w), 1)] + .05 * torch.randn(rows.shape[1]) for w in list(new)[len(old):]]
    if fresh:
        state["ema"]["text.embed.weight"] = torch.cat([rows, torch.stack(fresh)])
    return {**state, "vocabulary": new}


if __name__ == "__main__":
    path = f"{sys.argv[1]}/unet.pt"
    torch.manual_seed(0)
    state = torch.load(path)
    before = len(state["vocabulary"])
    torch.save(grow(state), path)
    print(f"{before} words -> {len(torch.load(path)['vocabulary'])} words")
