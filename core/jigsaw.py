"""Jigsaw puzzles: pictures that keep every texture and lose every object.

Source: Yu et al., CVPR 2023, section 3.2: 3x3 tiles of floor(size / 3). Two things differ from the
released code: the permutation is never the identity, and it comes from a generator.
"""

import torch
from torch.nn import functional as F

from core.errors import InputError, unknown

BORDERS = ("zero", "crop")


def permutations(n, tiles, *, generator):
    """Draw `n` random orders of `tiles` * `tiles` tiles, none of them the identity.

    Returns: (n, tiles**2) int64; row i says which tile goes to each place.
    """
    count = tiles * tiles
    identity = torch.arange(count)
    orders = torch.rand(n, count, generator=generator).argsort(1)
    while len(same := (orders == identity).all(1).nonzero().flatten()):
        orders[same] = torch.rand(len(same), count, generator=generator).argsort(1)
    return orders


def jigsaw(images, *, generator, tiles=3, border="zero"):
    """Cut each picture into `tiles` x `tiles` tiles and shuffle them.

    Args:
        images: (N, C, H, W), any dtype; it is not changed.
        generator: a CPU `torch.Generator`; the same seed gives the same puzzles.
        tiles: tiles a side, from 2 to the shorter side.
        border: what happens to the pixels that are left over where the size is no multiple of `tiles`. "zero" leaves them 0,
            as released. "crop" cuts tiles one pixel larger from a picture whose last row and column are repeated,
            and crops the puzzle to the size, so that no pixel is blank.
    Returns: a tensor of the same shape and dtype.
    Raises: InputError for tiles or border that make no puzzle.
    """
    return shuffle(images, permutations(len(images), _checked(tiles, images), generator=generator), border=border)


def shuffle(images, orders, *, border="zero"):
    """Lay the tiles of each picture in a given order; see `jigsaw`.

    Args: images: (N, C, H, W); orders: (N, tiles**2) int64, row i says which tile of picture i goes to each place.
    """
    if border not in BORDERS:
        raise unknown("border", border, BORDERS)
    n, channels, height, width = images.shape
    tiles = _checked(round(orders.shape[1] ** 0.5), images)
    if border == "crop":
        tall, wide = -(-height // tiles), -(-width // tiles)
        rows, columns = (torch.arange(tiles * n, device=images.device).clamp_max(size - 1) for n, size in ((tall, height), (wide, width)))
        grown = images[:, :, rows][:, :, :, columns]
    else:
        tall, wide = height // tiles, width // tiles
        grown = images[:, :, : tiles * tall, : tiles * wide]
    # (N, C, tiles * tall, tiles * wide) -> (N, tiles**2, C, tall, wide)
    cut = grown.reshape(n, channels, tiles, tall, tiles, wide).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    laid = cut[torch.arange(n, device=images.device)[:, None], orders.to(images.device)]
    laid = laid.reshape(n, tiles, tiles, channels, tall, wide).permute(0, 3, 1, 4, 2, 5).reshape(grown.shape)
    if border == "crop":
        return laid[:, :, :height, :width]
    return F.pad(laid, (0, width - tiles * wide, 0, height - tiles * tall))


def _checked(tiles, images):
    short = min(images.shape[-2:])
    if not 2 <= tiles <= short:
        raise InputError(f"A puzzle of {tiles} x {tiles} tiles cannot be cut; choose from 2 to {short} tiles a side.", key="jigsaw.tiles", tiles=tiles)
    return tiles
