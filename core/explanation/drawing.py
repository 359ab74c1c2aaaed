"""Draw signed maps over pictures: red where a map is positive, blue where it is negative, the grey picture where it is zero."""

import numpy as np
from PIL import Image

POSITIVE, NEGATIVE = (214, 47, 39), (44, 105, 190)
SIDE = 256  # of a small picture on a sheet, at least


def overlay(pixels, values, *, strength=0.85):
    """Lay a map over the grey picture.

    Args: pixels: (S, S, 3) uint8. values: (S, S) float; all but the largest hundredth keep their proportions.
    Returns: (S, S, 3) uint8.
    """
    grey = np.repeat(pixels.mean(2, keepdims=True), 3, 2) * 0.6 + 90
    full = np.quantile(np.abs(values), 0.99) or np.abs(values).max() or 1.0  # a single pixel must not pale all others
    share = strength * np.minimum(np.abs(values) / full, 1)[..., None]
    colour = np.where(values[..., None] >= 0, POSITIVE, NEGATIVE)
    return (grey * (1 - share) + colour * share).round().astype(np.uint8)


def sheet(pixels, maps):
    """Lay a picture and its maps side by side. Args: pixels: (S, S, 3) uint8; maps: (S, S) arrays. Returns: a PIL image."""
    factor = max(1, SIDE // len(pixels))
    panels = [pixels, *(overlay(pixels, values) for values in maps)]
    return Image.fromarray(np.concatenate([panel.repeat(factor, 0).repeat(factor, 1) for panel in panels], 1))
