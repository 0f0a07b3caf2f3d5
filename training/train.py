"""Trains the scenes model, one stage at a time; every stage resumes from its checkpoint in --work.

    python train.py encoder --work DIR                 # principal components of 64 px pictures, seconds
    python train.py decoder --work DIR --minutes 20    # latents to 64 px and 256 px pictures
    python train.py unet    --work DIR --minutes 60    # text encoder and denoiser

DIR holds the shards that render.py wrote: lo* (64 px) and hi* (256 px). The encoder defines the latents: fit it once.
"""
import argparse
import copy
import math
import os
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

import data
import model as M
from preview import save_sheet, write_preview
from vocabulary import extended

LAST = torch.channels_last


def write(path, value):
    """Saves so that a reader never sees half a file."""
    torch.save(value, path + ".part")
    os.replace(path + ".part", path)


def load_autoencoder(work):
    encoder, decoder = M.Encoder(), M.Decoder()
    if os.path.exists(f"{work}/encoder.pt"):
        encoder.load_state_dict(torch.load(f"{work}/encoder.pt"))
    if os.path.exists(f"{work}/decoder.pt"):
        decoder.load_state_dict(torch.load(f"{work}/decoder.pt"))
    else:
        decoder.linear[0].load_state_dict(encoder.expand.state_dict())
    return encoder.eval(), decoder.to(memory_format=LAST)


def run(name, args, params, optimizer, step, save, measure):
    """Optimises for args.minutes with a warm-up; the learning rate follows args.part of a cosine from args.rate to 3 % of it.

    Time in which the process was stopped does not count.
    """
    start = last = saved = before = time.time()
    mean, i, seen, progress = None, 0, 0, 0
    while progress < 1:
        phase = args.part[0] + (args.part[1] - args.part[0]) * progress
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1, (i + 1) / 50) * max(.03, .5 + .5 * math.cos(math.pi * phase))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, count = step(i)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        i, seen = i + 1, seen + count
        mean = loss.item() if mean is None else .98 * mean + .02 * loss.item()
        now = time.time()
        start += max(0, now - before - 20)
        before = now
        progress = (now - start) / (args.minutes * 60)
        if now - last > 30:
            last = now
            print(f"{name} {i} {now - start:.0f}s loss {mean:.4f} samples {seen} cpu {time.process_time():.0f}s", flush=True)
        if now - saved > args.every:
            save()
            print(f"{name} {i} {measure()}", flush=True)
            saved = time.time()
    save()
    print(f"{name} done: {i} iterations, {seen} samples, loss {mean:.4f}, {measure()}", flush=True)


@torch.no_grad()
def average(ema, live, keep):
    """Moves the averaged weights, which are what is saved of a network, towards the live ones."""
    torch._foreach_lerp_(list(ema.parameters()), list(live.parameters()), 1 - keep)


def fit_encoder(args):
    pictures = data.shards(args.work, "lo")[8, 8][0][0]
    encoder = M.Encoder()
    encoder.fit(data.to_tensor(pictures[:6000]))
    write(f"{args.work}/encoder.pt", encoder.state_dict())
    z = encoder(data.to_tensor(pictures[6000:7000]))
    print("standard deviation per channel:", [round(v, 2) for v in z.std((0, 2, 3)).tolist()])


# ---------------------------------------------------------------- denoiser

def noisy(x, t, bar):
    """The noised latents and the v that the denoiser shall predict."""
    a = bar[t][:, None, None, None]
    noise = torch.randn_like(x)
    return a.sqrt() * x + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x


def train_unet(args):
    torch.manual_seed(args.seed)
    path, resume = f"{args.work}/unet.pt", f"{args.work}/resume.pt"
    state = torch.load(path) if os.path.exists(path) else None
    vocabulary = state["vocabulary"] if state else extended({})
    assert vocabulary == extended(vocabulary), "captions.py has new words: run vocabulary.py first"
    sets = data.latents(args.work, load_autoencoder(args.work)[0], vocabulary)
    live = nn.ModuleDict({"text": M.TextEncoder(len(vocabulary)), "unet": M.UNet()})
    if state:
        live.load_state_dict(state["ema"])
    done = state["samples"] if state else 0
    ema = copy.deepcopy(live)
    live = live.to(memory_format=LAST)
    optimizer = torch.optim.AdamW(live.parameters(), lr=args.rate, weight_decay=.01, betas=(.9, .99), fused=True)
    if os.path.exists(resume):
        state = torch.load(resume)
        live.load_state_dict(state["live"])
        optimizer.load_state_dict(state["optimizer"])
    print({a: len(z) for a, (z, _) in sets.items()}, len(vocabulary), "words,", done, "samples so far", flush=True)
    held = {a: (z[-96:].float(), ids[-96:, 0].long()) for a, (z, ids) in sets.items()}
    aspects = list(sets)
    cost = [len(sets[a][0]) * a[0] * a[1] for a in aspects]  # batches hold about as many latent cells each
    bar, seen = M.alphas_cumprod(), [0]
    torch.manual_seed(args.seed + done)

    def step(i):
        aspect = aspects[torch.multinomial(torch.tensor(cost, dtype=torch.float), 1).item()]
        z, ids = sets[aspect]
        batch = args.batch * 64 // (aspect[0] * aspect[1])
        pick = torch.randint(0, len(z) - 96, (batch,))
        x = z[pick].float().contiguous(memory_format=LAST)
        tokens = ids[pick, torch.randint(0, ids.shape[1], (batch,))].long()
        tokens[torch.rand(batch) < .1] = 0
        level = (torch.randperm(batch) + torch.rand(batch)) / batch  # one in every stratum; exponent: low noise is easy
        t = (level ** .7 * M.TRAIN_STEPS).long().clamp(max=M.TRAIN_STEPS - 1)
        mixed, v = noisy(x, t, bar)
        out = live["unet"](mixed, t, live["text"](tokens))
        if i % 4 == 0:
            average(ema, live, min(args.ema, 1 if done else (1 + i) / (10 + i)) ** 4)
        seen[0] += batch
        return F.mse_loss(out.float(), v), batch

    def save():
        write(path, {"ema": ema.state_dict(), "vocabulary": vocabulary, "samples": done + seen[0]})
        write(resume, {"live": live.state_dict(), "optimizer": optimizer.state_dict()})
        write_preview(f"{args.work}/unet.png", ema, load_autoencoder(args.work)[1].eval(), vocabulary)

    def measure():
        """Loss of the averaged model on held-out pictures with fixed noise: comparable between runs."""
        kept, total = torch.get_rng_state(), {}
        torch.manual_seed(1)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            for aspect, (z, tokens) in held.items():
                t = torch.arange(len(z)) * M.TRAIN_STEPS // len(z)
                mixed, v = noisy(z, t, bar)
                total[aspect] = ((ema["unet"](mixed, t, ema["text"](tokens)).float() - v) ** 2).mean().item()
        torch.set_rng_state(kept)
        return "held-out " + " ".join(f"{r}x{c} {v:.4f}" for (r, c), v in total.items()) + f" mean {sum(total.values()) / len(total):.4f}"

    print("unet 0", measure(), flush=True)
    run("unet", args, list(live.parameters()), optimizer, step, save, measure)


# ---------------------------------------------------------------- decoder

def picture_loss(y, x):
    """L1 plus L1 of the horizontal and vertical differences, which keeps edges crisp; near edges five times as much.

    Most of a picture is plain: without the weight, what a small shape looks like would hardly count.
    """
    dx = lambda t: t[..., :, 1:] - t[..., :, :-1]
    dy = lambda t: t[..., 1:, :] - t[..., :-1, :]
    with torch.no_grad():
        edge = F.pad(dx(x).abs().amax(1, keepdim=True), (0, 1)) + F.pad(dy(x).abs().amax(1, keepdim=True), (0, 0, 0, 1))
        near = F.max_pool2d((edge > .1).float(), 13, 2, 6)
        weight = 1 + 4 * F.interpolate(near, size=x.shape[2:])
    error = weight * (y - x)
    return error.abs().mean() + .5 * (dx(error).abs().mean() + dy(error).abs().mean())


def train_decoder(args):
    """Trains the whole decoder for the frozen encoder on 256 px pictures: scenes, several shapes, and crowds of them.

    Some latents get noise, others are noised more and then denoised by the U-Net: the decoder learns to draw clean
    outlines from latents with the errors that the denoiser really makes.
    """
    torch.manual_seed(args.seed + int(time.time()))
    encoder, decoder = load_autoencoder(args.work)
    ema = copy.deepcopy(decoder)
    kinds = {kind: data.shards(args.work, kind) for kind in ("hi", "several", "crowd")}
    kinds = {kind: [(a, *part) for a, parts in found.items() for part in parts] for kind, found in kinds.items() if found}
    names = list(kinds)
    area = lambda x: F.interpolate(x, scale_factor=.25, mode="area")
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=args.rate, weight_decay=1e-4, betas=(.9, .99), fused=True)
    denoiser, bar = None, M.alphas_cumprod()
    if os.path.exists(f"{args.work}/unet.pt"):
        state = torch.load(f"{args.work}/unet.pt")
        vocabulary = state["vocabulary"]
        denoiser = nn.ModuleDict({"text": M.TextEncoder(len(vocabulary)), "unet": M.UNet()}).eval().to(memory_format=LAST)
        denoiser.load_state_dict(state["ema"])
    held = torch.cat([data.to_tensor(next(pictures[-6:] for a, pictures, _ in kinds[name] if a == (8, 8))) for name in names])

    def imperfect(z, captions):
        """The latents as the denoiser would deliver them: one step back from a random noise level, a low one for want of a caption."""
        t = torch.randint(20, 420 if captions[0] else 160, (len(z),))
        a = bar[t][:, None, None, None]
        mixed, _ = noisy(z, t, bar)
        v = denoiser["unet"](mixed, t, denoiser["text"](M.encode_text(captions, vocabulary))).float()
        return a.sqrt() * mixed - (1 - a).sqrt() * v

    def step(i):
        parts = kinds[names[torch.multinomial(torch.tensor([.25, .4, .35])[:len(names)], 1).item()]]
        cost = torch.tensor([len(pictures) * a[0] * a[1] for a, pictures, _ in parts], dtype=torch.float)
        aspect, pictures, captions = parts[torch.multinomial(cost, 1).item()]
        batch = max(2, args.batch * 64 // (aspect[0] * aspect[1]))
        pick = sorted(torch.randint(0, len(pictures) - 12, (batch,)).tolist())
        x = data.to_tensor(pictures[pick])
        with torch.no_grad():
            z = encoder(area(x)).float()
            if denoiser is not None and i % 3:
                z = imperfect(z, [captions[k][0] if captions[k] else "" for k in pick])
            else:
                z = z + .2 * torch.rand(len(z), 1, 1, 1) * torch.randn_like(z)
            z = z.contiguous(memory_format=LAST)
        if i % 4 == 0:
            average(ema, decoder, min(args.ema, (1 + i) / (10 + i)) ** 4)
        return picture_loss(decoder(z).float(), x), batch

    def save():
        write(f"{args.work}/decoder.pt", ema.state_dict())

    def measure():
        with torch.no_grad():
            y = ema(encoder(area(held)))
        save_sheet(f"{args.work}/decoder.png", [p for k in range(0, len(held), 6) for p in (held[k:k + 6], y[k:k + 6])])
        errors = {name: F.l1_loss(y[k:k + 6], held[k:k + 6]).item() for name, k in zip(names, range(0, len(held), 6))}
        return "held-out L1 at 256 px " + ", ".join(f"{name} {error:.4f}" for name, error in errors.items())

    print("decoder 0", measure(), flush=True)
    run("decoder", args, list(decoder.parameters()), optimizer, step, save, measure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["encoder", "decoder", "unet"])
    parser.add_argument("--work", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--every", type=float, default=240, help="seconds between checkpoints")
    parser.add_argument("--batch", type=int, default=64, help="pictures per batch of the 8 x 8 aspect")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--ema", type=float, default=.998)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", type=float, nargs=2, default=(0, 1), help="part of the learning-rate cosine, 0..1")
    options = parser.parse_args()
    torch.set_num_threads(1)
    {"encoder": fit_encoder, "decoder": train_decoder, "unet": train_unet}[options.stage](options)
