"""Training shards: pictures and captions by aspect, as render.py wrote them."""
import glob
import json
import os

import numpy as np
import torch

import model as M


def to_tensor(pictures):
    """uint8 NHWC array -> float (B, 3, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def shards(work, kind):
    """{(rows, columns): [(pictures, captions), ...]}, pictures memory-mapped."""
    found = {}
    for name in sorted(glob.glob(f"{work}/{kind}*-*x*.json")):
        aspect = tuple(map(int, name[:-5].rsplit("-", 1)[1].split("x")))
        found.setdefault(aspect, []).append((np.load(name[:-4] + "npy", mmap_mode="r"), json.load(open(name))))
    return found


def latents(work, encoder, vocabulary):
    """{aspect: (latents (N, Z, rows, columns) float16, tokens (N, K, T) uint16)} of the 64 px shards, cached per shard."""
    found = {}
    for name in sorted(glob.glob(f"{work}/lo*-*x*.json")):
        aspect = tuple(map(int, name[:-5].rsplit("-", 1)[1].split("x")))
        cache = name[:-5] + ".pt"
        if not os.path.exists(cache):
            pictures, captions = np.load(name[:-4] + "npy", mmap_mode="r"), json.load(open(name))
            with torch.no_grad():
                z = torch.cat([encoder(to_tensor(pictures[k:k + 250])).half() for k in range(0, len(pictures), 250)])
            ids = M.encode_text([c for wordings in captions for c in wordings], vocabulary).short()
            torch.save((z, ids.view(len(z), -1, M.TOKENS)), cache + ".part")
            os.replace(cache + ".part", cache)
        found.setdefault(aspect, []).append(torch.load(cache))
    fewest = min(ids.shape[1] for many in found.values() for _, ids in many)
    return {a: (torch.cat([z for z, _ in many]), torch.cat([ids[:, :fewest] for _, ids in many])) for a, many in found.items()}
