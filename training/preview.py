"""Sampling in plain PyTorch, for the contact sheets that are written while training runs."""
import numpy as np
import torch
from PIL import Image

import model as M

PREVIEW = ["a red circle on a blue background", "a large yellow star on a purple background",
           "a small white heart on the left, green background", "a black square to the left of a pink circle on a white background",
           "a small green triangle inside a large white circle on a black background", "a blue diamond above an orange star on a gray background",
           "three red circles on a white background", "a red heart, a green square and a yellow star on a black background",
           "a cyan triangle to the right of a brown ring on a pink background", "the sea at sunset with the sun and a red boat",
           "snowy mountains at night with a moon and stars", "hills by day with a white house and trees",
           "a desert during the day with the sun and a cactus", "a forest at sunset with clouds", "mountains at sunset with a blue house",
           "a yellow sailboat on the ocean under a blue sky"]


@torch.no_grad()
def sample(unet, context, size=(8, 8), steps=20, guidance=3.0, seed=0):
    """DDIM with classifier-free guidance: context (2B, T, C), empty prompts first -> latents (B, Z, *size)."""
    count = len(context) // 2
    x = torch.randn(count, M.LATENT_CHANNELS, *size, generator=torch.Generator().manual_seed(seed))
    bar = M.alphas_cumprod()
    times = [round(M.TRAIN_STEPS - k * M.TRAIN_STEPS / steps) - 1 for k in range(steps)]
    for k, t in enumerate(times):
        out = unet(torch.cat([x, x]), torch.full((2 * count,), float(t)), context)
        v = out[:count] + guidance * (out[count:] - out[:count])
        a, b = bar[t], bar[times[k + 1]] if k + 1 < steps else torch.tensor(1.)
        clean, noise = a.sqrt() * x - (1 - a).sqrt() * v, a.sqrt() * v + (1 - a).sqrt() * x
        x = b.sqrt() * clean + (1 - b).sqrt() * noise
    return x


def save_sheet(path, rows):
    """Writes a contact sheet; rows are (B, 3, H, W) tensors in -1..1."""
    lines = [np.concatenate(list(r.float().permute(0, 2, 3, 1).numpy()), 1) for r in rows]
    pixels = np.clip((np.concatenate(lines, 0) / 2 + .5) * 255 + .5, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)


@torch.no_grad()
def write_preview(path, model, decoder, vocabulary):
    context = model["text"](M.encode_text([""] * len(PREVIEW) + PREVIEW, vocabulary))
    pictures = decoder(sample(model["unet"], context))[:, :, ::2, ::2]
    save_sheet(path, [pictures[:8], pictures[8:]])
