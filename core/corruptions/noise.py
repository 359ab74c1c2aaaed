"""Noise: every value of every channel on its own. Source of all: Hendrycks & Dietterich, ICLR 2019, as released."""

import functools

import numpy as np
import torch
from torch.nn import functional as F

from core.corruptions.common import at, coarse, normal, uniform


def gaussian_noise(images, severity, *, generator):
    """Add normal noise. Severity: its standard deviation, of a range of 1."""
    deviation = at(images, severity, (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))
    return normal(images.shape, images, generator, std=deviation).add_(images)


def shot_noise(images, severity, *, generator):
    """Count photons: Poisson. Severity: how many a white value sends. As released, a picture has 256 grey levels: others count as the nearest."""
    photons = at(images, severity, (500, 250, 100, 75, 50), (60, 25, 12, 5, 3))
    table, columns = counts(photons)
    drawn = uniform(images.shape, images, generator).mul_(columns)
    column = drawn.floor()
    entry = torch.from_numpy(table).to(images.device).index_select(0, (images * 255).round_().mul_(columns).add_(column).int().flatten()).view(images.shape)
    other = entry.floor()
    own = drawn.sub_(column).lt_(entry.sub_(other))  # 1 or 0 as floats: quicker than a mask
    return column.sub_(other).mul_(own).add_(other).div_(photons)


@functools.lru_cache(maxsize=10)
def counts(photons):
    """Return how Poisson numbers are drawn: each of the columns is equally likely, and holds its own number or one other.

    Returns: (256 * columns,) float32 and columns. Row k, of the mean photons * k / 255, has in column j: the other number, plus the
        probability, below 1, that it is j instead.
    Source: Walker, Electronics Letters 10(8), 1974. 24 random bits and single precision change no probability by more than 1e-6.
    """
    columns = 1 << int(photons + 9 * photons**0.5 + 9).bit_length()
    mean, rows = photons * np.arange(256) / 255, np.arange(256)
    ratios = mean[:, None] / np.arange(1, columns)
    logs = np.concatenate((-mean[:, None], np.log(ratios, out=np.full(ratios.shape, -np.inf), where=ratios > 0)), 1).cumsum(1)
    left = np.exp(logs)
    left *= columns / left.sum(1, keepdims=True)  # in columns; a poor number leaves room in its own, which a rich one fills
    own, other = np.ones((256, columns)), np.tile(np.arange(columns), (256, 1))
    for _ in range(columns):
        poor, rich = np.where(left < 1 - 1e-9, left, 2).argmin(1), left.argmax(1)
        open_ = left[rows, poor] < 1 - 1e-9
        row, poor, rich = rows[open_], poor[open_], rich[open_]
        own[row, poor], other[row, poor] = left[row, poor], rich
        left[row, rich] -= 1 - left[row, poor]
        left[row, poor] = 1
    return (other + np.minimum(own, 1 - columns * 2.0**-24)).astype(np.float32).ravel(), columns


def impulse_noise(images, severity, *, generator):
    """Turn some values black or white. Severity: the share of values, half of them each."""
    share = at(images, severity, (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27))
    drawn = coarse(images.shape, images, generator, reach=2)
    return F.hardshrink(drawn, 2 * (1 - share)).add_(images)  # 0, or beyond 1 in size: clipped to black or white; no mask to make, which costs more


def speckle_noise(images, severity, *, generator):
    """Add normal noise in proportion to the value. Severity: its standard deviation at white."""
    deviation = at(images, severity, (0.06, 0.1, 0.12, 0.16, 0.2), (0.15, 0.2, 0.35, 0.45, 0.6))
    return normal(images.shape, images, generator, mean=1.0, std=deviation).mul_(images)
