"""The palette and a canvas that fills signed distance fields (SDF); everything in a scene is drawn with it.

Units: the picture's short side is 1 long, whatever its size in pixels; x runs to the right from 0 to `width`,
y downwards from 0 to `height` (both are 1 in a square picture). Radii and widths are in the same unit.
"""
import copy
import math

import numpy as np

PATCHES = 8  # latent cells along the short side of every picture

COLORS = {
    "red": (220, 40, 40), "green": (40, 170, 70), "blue": (45, 90, 220), "yellow": (245, 215, 50),
    "orange": (245, 140, 30), "purple": (140, 60, 190), "pink": (245, 130, 180), "white": (245, 245, 245),
    "black": (25, 25, 30), "brown": (130, 80, 45), "cyan": (60, 205, 215), "gray": (135, 135, 140),
}
SHAPES = ["circle", "square", "triangle", "star", "heart", "ring", "diamond"]


def rgb(name):
    """A palette colour as float32 RGB in 0..1."""
    return np.array(COLORS[name], np.float32) / 255


class Canvas:
    """An RGB picture whose short side has `size` pixels; `aspect` is (rows, columns) of latent cells."""

    def __init__(self, size, aspect=(PATCHES, PATCHES)):
        rows, columns = (size * n // PATCHES for n in aspect)
        self.size, self.height, self.width = size, rows / size, columns / size
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        self.x, self.y = (x + .5) / size, (y + .5) / size
        self.image = np.zeros((rows, columns, 3), np.float32)

    def fill(self, sdf, color, alpha=1.0):
        """Paints where sdf < 0, with one pixel of anti-aliasing."""
        mask = np.clip(.5 - sdf * self.size, 0, 1)[..., None] * alpha
        self.image += mask * (np.asarray(color, np.float32) - self.image)

    def window(self, cx, cy, r):
        """The part of this canvas that a shape of radius r can touch: painting there is painting here, only faster."""
        part, reach = copy.copy(self), 1.15 * r + 2 / self.size
        cut = lambda middle, most: slice(max(0, math.floor((middle - reach) * self.size)), min(most, math.ceil((middle + reach) * self.size)))
        at = cut(cy, self.image.shape[0]), cut(cx, self.image.shape[1])
        part.x, part.y, part.image = self.x[at], self.y[at], self.image[at]
        return part

    def circle(self, cx, cy, r):
        return np.hypot(self.x - cx, self.y - cy) - r

    def box(self, cx, cy, half_w, half_h):
        return np.maximum(abs(self.x - cx) - half_w, abs(self.y - cy) - half_h)

    def capsule(self, x0, y0, x1, y1, r):
        """A line from (x0, y0) to (x1, y1), r thick on both sides and round at its ends."""
        ex, ey = x1 - x0, y1 - y0
        t = np.clip(((self.x - x0) * ex + (self.y - y0) * ey) / (ex * ex + ey * ey + 1e-9), 0, 1)
        return np.hypot(self.x - x0 - ex * t, self.y - y0 - ey * t) - r

    def polygon(self, points):
        """Exact signed distance of a simple polygon given as (x, y) pairs."""
        points = np.asarray(points, np.float32)
        dist2, sign = np.full_like(self.x, 1e9), np.ones_like(self.x)
        for i in range(len(points)):
            a, b = points[i], points[i - 1]
            ex, ey = b - a
            wx, wy = self.x - a[0], self.y - a[1]
            t = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey + 1e-9), 0, 1)
            dist2 = np.minimum(dist2, (wx - ex * t) ** 2 + (wy - ey * t) ** 2)
            below_a, above_b, left = self.y >= a[1], self.y < b[1], ex * wy > ey * wx
            sign = np.where((below_a & above_b & left) | (~below_a & ~above_b & ~left), -sign, sign)
        return sign * np.sqrt(dist2)

    def shape(self, kind, cx, cy, r):
        """Signed distance of a named shape with centre (cx, cy) and radius r."""
        if kind == "circle":
            return self.circle(cx, cy, r)
        if kind == "square":
            return self.box(cx, cy, r * .88, r * .88)
        if kind == "ring":
            return abs(self.circle(cx, cy, r * .75)) - r * .25
        if kind == "triangle":
            return self.polygon([(cx, cy - r), (cx + r * .95, cy + r * .8), (cx - r * .95, cy + r * .8)])
        if kind == "diamond":
            return (abs(self.x - cx) * 1.25 + abs(self.y - cy) - r * 1.1) * .62
        if kind == "star":
            radii = [r * 1.1 if i % 2 == 0 else r * .45 for i in range(10)]
            return self.polygon([(cx + q * math.sin(i * math.pi / 5), cy - q * math.cos(i * math.pi / 5))
                                 for i, q in enumerate(radii)])
        if kind == "heart":
            angles = [i / 40 * 2 * math.pi for i in range(40)]
            return self.polygon([(cx + r * math.sin(t) ** 3,
                                  cy - r * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t)
                                            - math.cos(4 * t)) / 16) for t in angles])
        raise ValueError(f"unknown shape: {kind}")
