"""Blur: out of focus, frosted glass, motion, zoom, Gaussian. Source of all: Hendrycks & Dietterich, ICLR 2019, as released."""

import functools

import numpy as np
import torch

from core.corruptions.common import at, bits, cut, filtered, gaussian, mirrored, motion, uniform, zoomed

WHOLE, TILE = 32 * 32, 8  # pixels up to which a zoom blur is done by matrices; of a side of the part that one of them makes


def defocus_blur(images, severity, *, generator):
    """Average over a disc, itself softened. Severity: the disc's radius and the softening Gaussian's sigma, pixels."""
    radius, sigma = at(images, severity, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)), ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)))
    return filtered(images, disc(radius, sigma))


def disc(radius, sigma):
    """Return an odd square kernel of sum 1 without empty borders, NumPy."""
    half, taps = (8, 3) if radius <= 8 else (radius, 5)
    x = np.arange(-half, half + 1)
    kernel = (x[:, None] ** 2 + x**2 <= radius**2).astype(float)
    weights = np.exp(-0.5 * ((np.arange(taps) - taps // 2) / sigma) ** 2)
    weights /= weights.sum()
    places = mirrored(x[:, None] + np.arange(taps) - taps // 2 + half, 2 * half + 1)  # the kernel's own border mirrors, as OpenCV's does
    soften = np.zeros((len(x), len(x)))
    np.add.at(soften, (np.arange(len(x))[:, None], places), weights)
    kernel = soften @ (kernel / kernel.sum()) @ soften.T
    kernel[kernel < 1e-9] = 0
    used = int(np.abs(x)[kernel.any(0)].max())
    return kernel[half - used : half + used + 1, half - used : half + used + 1]


def glass_blur(images, severity, *, generator):
    """Blur, let each pixel take the place of one near it, blur again. Severity: the Gaussian's sigma and the reach in pixels; how often."""
    sigma, reach, times = at(
        images,
        severity,
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    )
    n, _, height, width = images.shape
    red, green, blue = cut(gaussian(images, sigma)).unbind(1)
    pixels = (red + green * 256).add_(blue, alpha=65536).int().flatten(1)  # (N, H * W): three channels that move as one
    for _ in range(times):
        right, down = (bits((2, n, height, width), images, generator).int() * (2 * reach)) >> 16  # from -reach to reach - 1
        pixels = picked(pixels, taken_from(right, down, reach))
    moved = torch.empty_like(images, memory_format=torch.contiguous_format)
    for channel in range(3):
        moved[:, channel] = ((pixels >> 8 * channel) & 255).view(n, height, width)
    return gaussian(moved.div_(255), sigma)


def picked(values, places):
    """Return values[n, places[n]]. Args: values: (N, P); places: (N, Q) int32, several times faster than `gather`, which takes int64 alone."""
    first = torch.arange(0, values.numel(), values.shape[1], dtype=torch.int32, device=values.device)
    return values.flatten().index_select(0, (places + first[:, None]).flatten()).view(places.shape)


def taken_from(right, down, reach):
    """Say which pixel's value each has once every pixel, from the last to the first, took that of its neighbour at that moment.

    The released code means to swap two pixels, but its views of one array overwrite one with the other. Values thus travel: a
    neighbour below or to the right has had its turn and holds another's. Pointers are followed by doubling, without a loop over pixels.

    Args: right, down: (N, H, W) whole numbers from -reach to reach - 1, the neighbours' offsets. Returns: (N, H * W) int32 positions.
    """
    _, height, width = right.shape
    rows, columns = (torch.arange(size, device=right.device, dtype=torch.int32) for size in (height, width))
    inner = ((rows > reach) & (rows <= height - reach))[:, None] & ((columns > reach) & (columns <= width - reach))
    own = rows[:, None] * width + columns
    source = torch.where(inner, own + down.int() * width + right.int(), own).flatten(1)
    own, inner = own.flatten(), inner.flatten()[None].expand(len(source), -1)
    moved = picked(inner, source) & (source > own)  # that neighbour is inside and had its turn before
    while moved.any():
        source, moved = torch.where(moved, picked(source, source), source), moved & picked(moved, source)
    return source


def motion_blur(images, severity, *, generator):
    """Blur along a ray up to 45 degrees from the horizontal. Severity: the radius and the half Gaussian's sigma, pixels."""
    radius, sigma = at(images, severity, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)), ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)))
    return motion(images, uniform(len(images), images, generator, low=-45, high=45), radius=radius, sigma=sigma)


def zoom_blur(images, severity, *, generator):
    """Average the picture with magnified ones. Severity: up to which factor, exclusive, from 1 in which steps."""
    stop, step = at(
        images,
        severity,
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    )
    factors = tuple(np.arange(1, stop, step).tolist())
    height, width = images.shape[-2:]
    if height * width > WHOLE:
        return _zooms(images, factors)
    result = torch.empty_like(images, memory_format=torch.contiguous_format)
    for target, patch, matrix in _zoom_tiles(height, width, factors):
        tile = result[target]
        tile.copy_((images[patch].flatten(2) @ matrix.to(images)).view(tile.shape))
    return result


def _zooms(images, factors):
    total = images.clone()
    for factor in factors:
        total += zoomed(images, factor)
    return total / (len(factors) + 1)


@functools.lru_cache(maxsize=8)  # about 1 MB each
def _zoom_tiles(height, width, factors):
    """Return the mean of zooms, which is linear, as one product for each tile of a small picture: several times faster than the zooms.

    Returns: a list of (index of the tile, index of the patch that it depends on, (pixels of the patch, pixels of the tile) float64).
    """
    pixels = height * width
    whole = _zooms(torch.eye(pixels, dtype=torch.float64).view(pixels, 1, height, width), factors).view((height, width) * 2)
    tiles = []
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            part = whole[..., top : top + TILE, left : left + TILE]
            used = part.flatten(2).any(2)  # (H, W)
            down, across = (slice(int(kept[0]), int(kept[-1]) + 1) for kept in (used.any(1).nonzero(), used.any(0).nonzero()))
            index = (..., slice(top, top + TILE), slice(left, left + TILE))
            tiles.append((index, (..., down, across), part[down, across].flatten(2).flatten(0, 1).contiguous()))
    return tiles


def gaussian_blur(images, severity, *, generator):
    """Blur by a Gaussian. Severity: its sigma, pixels."""
    return gaussian(images, at(images, severity, (0.4, 0.6, 0.7, 0.8, 1), (1, 2, 3, 4, 6)))
