"""Noise: every value of every channel on its own. Source of all: Hendrycks & Dietterich, ICLR 2019, as released."""

import torch

from core.corruptions.common import at, normal, uniform


def gaussian_noise(images, severity, *, generator):
    """Add normal noise. Severity: its standard deviation, of a range of 1."""
    deviation = at(images, severity, (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))
    return normal(images.shape, images, generator, std=deviation).add_(images)


def shot_noise(images, severity, *, generator):
    """Count photons: Poisson. Severity: how many a white value sends."""
    photons = at(images, severity, (500, 250, 100, 75, 50), (60, 25, 12, 5, 3))
    return torch.poisson((images * photons).to(generator.device), generator=generator).to(images.device) / photons


def impulse_noise(images, severity, *, generator):
    """Turn some values black or white. Severity: the share of values, half of them each."""
    share = at(images, severity, (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27))
    drawn = uniform(images.shape, images, generator)
    kept = drawn.ge(share)
    return images.where(kept, drawn.ge_(share / 2))  # what is left between the two shares is 1, below both 0


def speckle_noise(images, severity, *, generator):
    """Add normal noise in proportion to the value. Severity: its standard deviation at white."""
    deviation = at(images, severity, (0.06, 0.1, 0.12, 0.16, 0.2), (0.15, 0.2, 0.35, 0.45, 0.6))
    return normal(images.shape, images, generator, mean=1.0, std=deviation).mul_(images)
