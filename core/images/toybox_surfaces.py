"""Paint what fills a whole picture of the toybox: backgrounds, surface patterns, textures, noise and letters.

All of it is a function of x and y in [0, 1], so that the same random numbers give the same picture at any size.
Colours are (3,) arrays in [0, 1]; a surface is (S, S, 3) float32 in about [0, 1].
"""

import math
import string
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SAMPLES = 3  # a picture is drawn this many times larger and then averaged down


@lru_cache(maxsize=16)
def grid(size) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the pixel centres, each (S, S) float32 in [0, 1] and read-only."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    x.flags.writeable = y.flags.writeable = False
    return x, y


def step(distance, soft=0.0):
    """Turn a signed distance (S, S), in picture widths, into a mask with a smooth edge: 1 where it is positive."""
    return np.clip(distance / (soft + 1 / len(distance)) + 0.5, 0, 1)


def mix(a, b, t):
    """Blend from `a` (t = 0) to `b` (t = 1); each is a colour or a surface, t is (S, S)."""
    a = np.asarray(a, np.float32)
    return a + (np.asarray(b, np.float32) - a) * t[..., None]


def field(rng, size, cells):
    """Return smooth noise (S, S) in about [0, 1] that varies over 1 / cells of the picture."""
    coarse = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def wave(phase, sharp=0.0):
    """Return a wave in [0, 1], one period per unit of `phase`: a sine that a larger `sharp` turns into stripes."""
    sine = np.sin(2 * math.pi * phase)
    return 0.5 + 0.5 * (np.tanh(sharp * sine) if sharp else sine)


def turned(x, y, angle):
    """Return the coordinates in a frame turned by `angle` radians."""
    c, s = math.cos(angle), math.sin(angle)
    return c * x + s * y, c * y - s * x


def dots(u, v, radius):
    """Return a mask of discs of a radius in cells, one in each cell of the plane (u, v), every other row shifted by half a cell."""
    u = u + 0.5 * (np.floor(v) % 2)
    return np.clip((radius - np.hypot(u % 1 - 0.5, v % 1 - 0.5)) * 8 + 0.5, 0, 1)


# Backgrounds: (rng, size, soft) -> surface, where soft() gives a quiet colour that stands off from the object.


def plain(rng, size, soft):
    u, _ = turned(*grid(size), rng.uniform(0, 2 * math.pi))
    return mix(soft(), soft(), np.clip(u, 0, 1))


def meadow(rng, size, soft):
    x, y = grid(size)
    horizon = rng.uniform(0.5, 0.75) + rng.uniform(0.01, 0.05) * np.sin(x * rng.uniform(4, 9) + rng.uniform(0, 6))
    sky = mix(np.array([0.45, 0.72, 0.94]) * rng.uniform(0.85, 1.05, 3), [0.88, 0.95, 1.0], np.clip(y / 0.7, 0, 1))
    for _ in range(rng.integers(0, 4)):
        cx, cy, r = rng.uniform(0, 1), rng.uniform(0.05, 0.4), rng.uniform(0.05, 0.1)
        puffs = [r * k - np.hypot(x - cx - dx * r, (y - cy) * 1.3) for k, dx in ((1, 0), (0.7, -1), (0.75, 1))]
        sky = mix(sky, [1, 1, 1], 0.85 * step(np.maximum.reduce(puffs)))
    near, far = np.array([0.36, 0.62, 0.28]) * rng.uniform(0.8, 1.15, 3), np.array([0.62, 0.8, 0.42]) * rng.uniform(0.9, 1.1, 3)
    grass = mix(far, near, np.clip((y - 0.5) * 2, 0, 1)) * (0.92 + 0.16 * field(rng, size, 24))[..., None]
    return mix(sky, grass, step(y - horizon))


def room(rng, size, soft):
    x, y = grid(size)
    edge = rng.uniform(0.58, 0.8)
    wall, other, floor = soft(), soft(), soft()
    count = rng.uniform(5, 12)
    paper = (wave(x * count, 6), dots(x * count, y * count, 0.22), np.zeros_like(x))[rng.integers(3)]
    picture = mix(wall, other, 0.35 * paper)
    depth = 0.18 / (np.maximum(y - edge, 0) + 0.12)  # floor boards run to a vanishing point
    boards = wave((x - 0.5) * depth * rng.uniform(4, 8) + rng.uniform(), 8)
    picture = mix(picture, mix(floor, floor * 0.86, boards), step(y - edge))
    return mix(picture, [0.97, 0.96, 0.93], 0.9 * step(0.016 - np.abs(y - edge)))


def checks(rng, size, soft):
    u, v = turned(*grid(size), rng.uniform(0, math.pi))
    count, first, second = rng.uniform(3, 8), soft(), soft()
    across, down = wave(u * count, 8), wave(v * count, 8)
    if rng.random() < 0.5:  # a gingham cloth, else a chequered floor
        return mix(first, second, (across + down) / 2)
    return mix(first, second, across + down - 2 * across * down)


def bokeh(rng, size, soft):
    x, y = grid(size)
    picture = mix(soft() * 0.8, soft() * 0.8, y)
    for _ in range(rng.integers(5, 11)):
        r = rng.uniform(0.05, 0.22)
        disc = step(r - np.hypot(x - rng.uniform(), y - rng.uniform()), rng.uniform(0.02, 0.12))
        picture = mix(picture, soft(), rng.uniform(0.3, 0.75) * disc)
    return picture


def wood(rng, size, soft):
    u, v = turned(*grid(size), rng.choice([0, math.pi / 2]) + rng.uniform(-0.15, 0.15))
    planks = v * rng.uniform(3, 6) + rng.uniform()
    light = np.array([0.86, 0.68, 0.47]) * rng.uniform(0.65, 1.12)
    grain = wave(planks * 2.2 + 0.7 * field(rng, size, 5) + 0.25 * np.sin(u * 5 + 9 * np.floor(planks)))
    board = 0.9 + 0.1 * np.sin(12.9 * np.floor(planks) + 1)
    picture = mix(light, light * [0.82, 0.76, 0.7], grain) * board[..., None]
    return picture * (1 - 0.45 * np.clip(1 - np.abs(planks % 1 - 0.5 + 0.46) * 24, 0, 1))[..., None]


def beach(rng, size, soft):
    x, y = grid(size)
    shore = rng.uniform(0.62, 0.85) + 0.03 * np.sin(x * rng.uniform(5, 12) + rng.uniform(0, 6))
    sea_line = rng.uniform(0.25, 0.5)
    sky = mix([0.55, 0.8, 0.95], [0.97, 0.93, 0.86], np.clip(y / sea_line, 0, 1))
    sea = mix([0.16, 0.55, 0.72], [0.45, 0.82, 0.84], np.clip((y - sea_line) * 2.4, 0, 1))
    sea = mix(sea, [1, 1, 1], 0.25 * wave(y * 16 + 0.3 * np.sin(x * 14 + y * 40), 0) ** 6)
    sand = np.array([0.93, 0.83, 0.62]) * (0.9 + 0.16 * field(rng, size, 32))[..., None]
    picture = mix(mix(sky, sea, step(y - sea_line)), [1, 1, 1], 0.9 * step(0.02 - np.abs(y - shore), 0.01))
    return mix(picture, sand, step(y - shore)) * rng.uniform(0.88, 1.05, 3).astype(np.float32)


def polka(rng, size, soft):
    u, v = turned(*grid(size), rng.uniform(0, math.pi))
    count = rng.uniform(4, 9)
    return mix(soft(), soft(), dots(u * count, v * count, rng.uniform(0.15, 0.32)))


def night(rng, size, soft):
    x, y = grid(size)
    picture = mix(np.array([0.09, 0.1, 0.26]) * rng.uniform(0.8, 1.6, 3), np.array([0.3, 0.24, 0.46]) * rng.uniform(0.8, 1.4, 3), y)
    for _ in range(rng.integers(8, 20)):
        picture = mix(picture, [1, 0.97, 0.8], step(rng.uniform(0.004, 0.012) - np.hypot(x - rng.uniform(), y - rng.uniform())))
    cx, cy, r = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.3), rng.uniform(0.06, 0.11)
    moon = step(r - np.hypot(x - cx, y - cy)) * (1 - step(r - np.hypot(x - cx - 0.5 * r, y - cy + 0.2 * r)))
    return mix(picture, [1, 0.95, 0.75], moon)


def blotchy(rng, size, soft):
    return mix(mix(soft(), soft(), step(field(rng, size, 5) - 0.5, 0.3)), soft(), 0.6 * step(field(rng, size, 8) - 0.6, 0.2))


BACKGROUNDS = (plain, meadow, room, checks, bokeh, wood, beach, polka, night, blotchy)

# Patterns on an object: (rng, u, v) -> (S, S) in [0, 1], how much of the second colour shows; one unit is the object's half width.
PATTERNS = (
    lambda rng, u, v: np.zeros_like(u),
    lambda rng, u, v: np.clip(0.5 + v * rng.choice([-0.6, 0.6]), 0, 0.8),
    lambda rng, u, v: wave(turned(u, v, rng.uniform(0, math.pi))[0] * rng.uniform(1.6, 3.2), 5),
    lambda rng, u, v: dots(u * (count := rng.uniform(2.2, 3.6)), v * count, rng.uniform(0.22, 0.34)),
    lambda rng, u, v: wave(u * (count := rng.uniform(1.2, 2.2)), 4) * 0.5 + wave(v * count, 4) * 0.5,
    lambda rng, u, v: wave(v * rng.uniform(1.6, 2.6) + 0.22 * np.abs((u * 3) % 2 - 1), 5),
    lambda rng, u, v: 0.7 * step(field(rng, len(u), 14) - 0.62, 0.15),
)

# Textures, far OOD: (rng, size, colours) -> surface; the first of three colours stands off from the others.


def stripes(rng, size, colours):
    (x, y), (a, b, c) = grid(size), colours
    u, _ = turned(x, y, rng.uniform(0, math.pi))
    count = rng.uniform(3, 14)
    return mix(mix(a, b, wave(u * count, rng.uniform(0, 8))), c, 0.6 * wave(u * count * rng.choice([0.5, 1.5, 2]) + 0.2, 6))


def tiles(rng, size, colours):
    (x, y), (a, b, c) = grid(size), colours
    u, v = turned(x, y, rng.uniform(0, math.pi))
    count = rng.uniform(2, 9)
    across, down = wave(u * count, 9), wave(v * count * rng.uniform(0.6, 1.6), 9)
    return mix(mix(a, b, across + down - 2 * across * down), c, 0.4 * across * down)


def blotches(rng, size, colours):
    a, b, c = colours
    first, second = field(rng, size, rng.integers(4, 12)), field(rng, size, rng.integers(6, 20))
    return mix(mix(a, b, step(first - 0.5, rng.uniform(0, 0.3))), c, step(second - 0.62, rng.uniform(0, 0.2)))


def weave(rng, size, colours):
    (x, y), (a, b, c) = grid(size), colours
    u, v = turned(x, y, rng.choice([0, math.pi / 4]) + rng.uniform(-0.1, 0.1))
    count = rng.uniform(4, 10)
    u, v = u * count, v * count
    over = (np.floor(u) + np.floor(v)) % 2
    along, across = np.where(over, u, v) % 1, np.where(over, v, u) % 1
    thread = mix(a, b, over) * (0.6 + 0.4 * np.sin(math.pi * along))[..., None]
    return mix(thread, c * 0.4, np.clip(np.abs(across - 0.5) * 12 - 4.6, 0, 1))


def waves(rng, size, colours):
    (x, y), (a, b, c) = grid(size), colours
    u, v = turned(x, y, rng.uniform(0, math.pi))
    bend = rng.uniform(0.02, 0.08) * np.sin(u * rng.uniform(8, 24)) + rng.uniform(0, 0.25) * field(rng, size, 4)
    phase = (v + bend) * rng.uniform(4, 10)
    return mix(mix(a, b, wave(phase, rng.uniform(1, 6))), c, 0.7 * wave(phase * 0.5, 6) * wave(phase, 3))


def cells(rng, size, colours):
    (x, y), (a, b, c) = grid(size), colours
    seeds = rng.random((rng.integers(12, 40), 2), dtype=np.float32)
    first = second = np.full_like(x, 2)  # distance to the nearest seed and to the next one
    for seed_x, seed_y in seeds:
        away = np.hypot(x - seed_x, y - seed_y)
        first, second = np.minimum(first, away), np.minimum(second, np.maximum(first, away))
    inside = mix(a, b, np.clip(first * 6, 0, 1))
    return mix(c * 0.6, inside, step(second - first - rng.uniform(0.01, 0.03)))


def rings(rng, size, colours):
    (x, y), (a, b, c) = grid(size), colours
    away = np.hypot(x - rng.uniform(-0.2, 1.2), y - rng.uniform(-0.2, 1.2)) + 0.1 * rng.uniform() * field(rng, size, 6)
    return mix(mix(a, b, wave(away * rng.uniform(4, 12), rng.uniform(0, 7))), c, 0.5 * wave(away * rng.uniform(1, 3), 4))


TEXTURES = {"stripes": stripes, "tiles": tiles, "blotches": blotches, "weave": weave, "waves": waves, "cells": cells, "rings": rings}


def _square(cells):
    return int(cells), int(cells), 3


# Noise, far OOD: rng -> (cells, cells, 3) in [0, 1]; a cell has the same value at every size of the picture.
NOISE = {
    "uniform": lambda rng: rng.random((64, 64, 3)),
    "gaussian": lambda rng: rng.uniform(0.2, 0.8, 3) + rng.uniform(0.1, 0.3) * rng.standard_normal((64, 64, 3)),
    "grey": lambda rng: np.repeat(rng.uniform(0.3, 0.7) + rng.uniform(0.1, 0.3) * rng.standard_normal((64, 64, 1)), 3, 2),
    "salt and pepper": lambda rng: np.where(rng.random((64, 64, 1)) < rng.uniform(0.1, 0.4), rng.random((64, 64, 1)) < 0.5, rng.random(3)),
    "colour clouds": lambda rng: rng.random(_square(rng.integers(4, 14))),
    "blocks": lambda rng: np.kron(rng.random(_square(2 ** rng.integers(2, 5))), np.ones((4, 4, 1))),
}


def noise(rng, size, family):
    """Paint one family of NOISE; clouds are smooth, everything else keeps hard cells."""
    coarse = Image.fromarray((np.clip(NOISE[family](rng), 0, 1) * 255).astype(np.uint8))
    smooth = family == "colour clouds"
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.BOX if size < coarse.width else Image.Resampling.NEAREST
    return np.asarray(coarse.resize((size, size), method), np.float32) / 255


@lru_cache(maxsize=128)
def _font(pixels):
    return ImageFont.load_default(size=pixels)


SYLLABLES = tuple("ba ce di fo gu ha jo ka li mo nu pa qui ro su ta ve wi xo ye zo an er in on st".split())
GLYPHS = string.ascii_letters + string.digits + "&?!@#%"


def _word(rng):
    word = "".join(rng.choice(SYLLABLES, rng.integers(1, 4)))
    return (word, word.title(), word.upper())[rng.integers(3)]


def _text(rng, size, colours, lines):
    """Set lines, each (text, x, y, height as a share of the picture), on paper of the first colour."""
    paper, *inks = [tuple(int(255 * c) for c in colour) for colour in colours]
    side = size * SAMPLES
    picture = Image.new("RGB", (side, side), paper)
    pen = ImageDraw.Draw(picture)
    for text, x, y, height in lines:
        pen.text((x * side, y * side), text, fill=inks[rng.integers(2)], font=_font(round(height * side, 1)), anchor="mm")
    turn = rng.uniform(-25, 25) if rng.random() < 0.6 else 0
    return np.asarray(picture.rotate(turn, Image.Resampling.BILINEAR, fillcolor=paper).reduce(SAMPLES), np.float32) / 255


# Letters, far OOD: (rng, size, colours) -> surface. Heights come in steps, so that few fonts have to be made.


def letter(rng, size, colours):
    return _text(rng, size, colours, [(GLYPHS[rng.integers(len(GLYPHS))], *rng.uniform(0.42, 0.58, 2), rng.choice([0.65, 0.8, 0.95]))])


def glyphs(rng, size, colours):
    count = rng.integers(4, 14)
    heights = rng.choice([0.16, 0.24, 0.32, 0.48], count)
    return _text(rng, size, colours, [(GLYPHS[rng.integers(len(GLYPHS))], *rng.uniform(0.1, 0.9, 2), height) for height in heights])


def words(rng, size, colours):
    heights = rng.choice([0.16, 0.2, 0.24, 0.32], 4)
    return _text(rng, size, colours, [(_word(rng), rng.uniform(0.3, 0.7), k / 4 + rng.uniform(0.08, 0.17), heights[k]) for k in range(4)])


def page(rng, size, colours):
    count = rng.integers(7, 13)
    rows = [k for k in range(count) if rng.random() < 0.9]
    colours = colours[[0, 1, 1]]  # one ink
    return _text(rng, size, colours, [(" ".join(_word(rng) for _ in range(7)), 0.5, (k + 0.5) / count, 0.85 / count) for k in rows])


LETTERS = {"letter": letter, "glyphs": glyphs, "words": words, "page": page}
