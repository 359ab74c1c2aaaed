"""Pictures that no class fits, made from known ones: what a choice may be tuned on instead of real OOD pictures.

Each function takes (N, 3, S, S) uint8 known pictures and a generator and returns as many of the same shape and dtype.
"""

import torch

from core.jigsaw import jigsaw


def puzzles(images, *, generator):
    """Shuffle the 3 x 3 tiles: textures stay, objects go."""
    return jigsaw(images, generator=generator, border="crop")


def blends(images, *, generator):
    """Average each picture with another one: two objects, half of each."""
    other = images[torch.randperm(len(images), generator=generator)]
    return ((images.int() + other.int()) // 2).to(images.dtype)


def patchworks(images, *, generator):
    """Put the quarters of four pictures together."""
    result = images.clone()
    half = images.shape[-1] // 2
    for rows, columns in ((slice(half), slice(half, None)), (slice(half, None), slice(half)), (slice(half, None), slice(half, None))):
        result[..., rows, columns] = images[torch.randperm(len(images), generator=generator)][..., rows, columns]
    return result


def close_ups(images, *, generator):
    """Magnify a random quarter fourfold: a texture or a part, no object."""
    n, size = len(images), images.shape[-1]
    side = size // 4
    top, left = torch.randint(0, size - side + 1, (2, n), generator=generator)
    span = torch.arange(side)
    rows, columns = (top[:, None] + span)[:, :, None], (left[:, None] + span)[:, None, :]
    parts = images.permute(0, 2, 3, 1)[torch.arange(n)[:, None, None], rows, columns].permute(0, 3, 1, 2)  # (N, 3, side, side)
    grown = torch.nn.functional.interpolate(parts.float(), size=(size, size), mode="bicubic", align_corners=False)
    return grown.round().clamp(0, 255).to(images.dtype)


def noise(images, *, generator):
    """Draw every value from 0 to 255 at random."""
    return torch.randint(0, 256, images.shape, generator=generator, dtype=torch.uint8)


def negatives(images, *, generator):
    """Turn light into dark and each colour into its opposite."""
    return 255 - images


KINDS = {f.__name__: f for f in (puzzles, blends, patchworks, close_ups, noise, negatives)}
