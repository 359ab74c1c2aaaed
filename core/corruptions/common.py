"""What several corruptions share: severities, draws, 8-bit steps, Gaussian blur, zoom, motion. Pictures are (N, C, H, W) float."""

import functools
import math

import numpy as np
import torch
from torch.nn import functional as F

SMALL = 64  # pixels of the longer side up to which the severities for 32 x 32 hold
LIGHTEST = 1e-4  # share of a motion below which a tap is left out: all that are left out together change no picture by a grey level


def at(images, severity, small, large):
    """Return what a severity from 1 to 5 means: for pictures of at most 64 pixels of the five in `small`, else of those in `large`."""
    return (small if max(images.shape[-2:]) <= SMALL else large)[severity - 1]


def uniform(shape, images, generator, *, low=0.0, high=1.0):
    """Draw from [low, high) in the images' dtype. Returns: a tensor of that shape on their device."""
    drawn = torch.rand(shape, generator=generator, device=generator.device, dtype=images.dtype)
    return drawn.mul_(high - low).add_(low).to(images.device)


def bits(shape, images, generator):
    """Draw 16 random bits for each value: where that is fine enough, a quarter of the price of a float. Returns: int16, -32768 to 32767."""
    count = math.prod(shape)
    drawn = torch.empty(-(-count // 4), dtype=torch.int64, device=generator.device).random_(-(2**63), None, generator=generator)
    return drawn.view(torch.int16)[:count].view(shape).to(images.device)


def coarse(shape, images, generator, *, reach):
    """Draw from the middles of 65,536 equal steps between -reach and reach. Returns: a tensor of that shape, in the images' dtype and device."""
    return bits(shape, images, generator).to(images.dtype).add_(0.5).mul_(reach / 2**15)


def normal(shape, images, generator, *, mean=0.0, std=1.0):
    """Draw from a normal distribution in the images' dtype. Returns: a tensor of that shape on their device."""
    drawn = torch.randn(shape, generator=generator, device=generator.device, dtype=images.dtype)
    return drawn.mul_(std).add_(mean).to(images.device)


def rounded(images, *, out=None):
    """Clip to [0, 1] and round to the nearest of 256 steps. Args: out: what to write into, the images themselves if need be."""
    return torch.mul(images, 255, out=out).round_().clamp_(0, 255).div_(255)  # in place: fresh memory for every step would cost more than the steps


def truncated(images, *, out=None):
    """Clip to [0, 1] and cut to 256 steps; see `core.corruptions.corrupt`. Args: out: what to write into, the images themselves if need be."""
    return cut(images, out=out).div_(255)


def cut(images, *, out=None):
    """Clip to [0, 1] and cut to whole numbers from 0 to 255, as `truncated`."""
    return torch.mul(images, 255, out=out).add_(1e-3).floor_().clamp_(0, 255)


def mirrored(positions, size):
    """Return where positions outside 0 ... size - 1 fall when the border's pixel is the mirror (OpenCV's "reflect 101"); NumPy integers."""
    if size == 1:
        return positions * 0
    positions = np.abs(positions) % (2 * (size - 1))
    return np.minimum(positions, 2 * (size - 1) - positions)


def pad_mirrored(images, reach):
    """Pad (N, C, H, W) by `reach` pixels on all sides, more than the picture has if need be; the border's pixel is the mirror."""
    if reach < min(images.shape[-2:]):
        return F.pad(images, (reach,) * 4, mode="reflect")
    rows, columns = (torch.from_numpy(mirrored(np.arange(-reach, size + reach), size)).to(images.device) for size in images.shape[-2:])
    return images[..., rows, :][..., columns]


def filtered(images, kernel):
    """Correlate each channel with an odd square kernel, mirrored borders. One moved copy a tap: on a CPU faster than a convolution of one channel."""
    height, width = images.shape[-2:]
    padded, result = pad_mirrored(images, len(kernel) // 2), torch.zeros_like(images)
    for down, row in enumerate(kernel):
        for right, weight in enumerate(row):
            if weight:
                result.add_(padded[..., down : down + height, right : right + width], alpha=float(weight))
    return result


def gaussian(images, sigma, *, edge="nearest", truncate=4.0):
    """Blur by a Gaussian of `sigma` pixels that ends at `truncate` sigmas, as scikit-image's and SciPy's.

    Args: images: (..., H, W); edge: "nearest" repeats the border's pixel, "reflect" mirrors the picture there, border included, "mirror" without it.
    Returns: the same shape. One product with a matrix a side: exact at every border, however wide the blur.
    """
    if int(truncate * sigma + 0.5) == 0:  # as there: nothing but the pixel itself is in reach
        return images
    down, across = (torch.from_numpy(_gaussian_matrix(size, sigma, edge, truncate)).to(images) for size in images.shape[-2:])
    return columns(down, images @ across.T)


def columns(matrix, images):
    """Return matrix @ images, (..., H, W) with (K, H), in memory as it stands; the plain product turns every picture twice."""
    rows = images.flatten(0, -3)
    return torch.bmm(matrix.expand(len(rows), -1, -1), rows).view(*images.shape[:-2], len(matrix), images.shape[-1])


@functools.lru_cache(maxsize=64)
def _gaussian_matrix(size, sigma, edge, truncate):
    reach = int(truncate * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    places = np.arange(size)[:, None] + offsets
    if edge == "nearest":
        places = places.clip(0, size - 1)
    elif edge == "mirror":
        places = mirrored(places, size)
    else:
        places %= 2 * size
        places = np.minimum(places, 2 * size - 1 - places)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], places), weights / weights.sum())
    return matrix


def zoomed(images, factor):
    """Magnify the middle by `factor` >= 1, bilinearly, to the same size. Returns: the images themselves where no pixel would move.

    Source: the released code: crop ceil(size / factor) pixels, magnify corner to corner to round(crop * factor), trim.
    """
    sizes = images.shape[-2:]
    crops = [math.ceil(size / factor) for size in sizes]
    grown = [round(crop * factor) for crop in crops]
    if grown == crops:
        return images
    (top, left), (above, before) = ([(a - b) // 2 for a, b in pairs] for pairs in (zip(sizes, crops, strict=True), zip(grown, sizes, strict=True)))
    middle = images[..., top : top + crops[0], left : left + crops[1]]
    large = F.interpolate(middle, size=grown, mode="bilinear", align_corners=True)
    return large[..., above : above + sizes[0], before : before + sizes[1]]


def motion(images, angles, *, radius, sigma):
    """Blur each picture along a ray: half a Gaussian of `sigma` pixels over 2 * radius + 1 taps, to 8 bits.

    Args: images: (N, C, H, W); angles: (N,) degrees from the right, clockwise. Returns: the same shape, values k / 255.
    Source: ImageMagick's motion blur, in which a tap is a whole number of pixels away and the border's pixels are repeated.
        Pictures go in the order of their angles, so that each tap moves whole runs of them alike.
    """
    offsets = np.arange(2 * radius + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights = weights[weights > LIGHTEST * weights.sum()]
    weights /= weights.sum()
    height, width = images.shape[2:]
    order = angles.argsort()
    turns = np.deg2rad(angles[order].cpu().double().numpy())
    distances = np.arange(len(weights))[:, None]
    right, down = (np.ceil(distances * along - 0.5).astype(int) for along in (np.cos(turns), np.sin(turns)))  # (taps, N)
    left, above = -right.min(), -down.min()  # neither is negative: the first tap does not move
    padded = F.pad(images[order], (left, right.max(), above, down.max() + 1), mode="replicate").contiguous()
    n, channels, tall, wide = padded.shape
    blurred = padded.new_zeros(n, channels, height * wide)  # rows as wide as the padded ones: a move is then one step along the memory
    strides = (channels * tall * wide, tall * wide, 1)
    for weight, steps in zip(weights.tolist(), (above + down) * wide + left + right, strict=True):
        starts = np.flatnonzero(np.diff(steps, prepend=-1))
        for start, end, step in zip(starts.tolist(), [*starts[1:].tolist(), n], steps[starts].tolist(), strict=True):
            moved = padded.as_strided((end - start, channels, height * wide), strides, start * strides[0] + step)
            blurred[start:end].add_(moved, alpha=weight)
    blurred = blurred.view(n, channels, height, wide)[..., :width]
    blurred = blurred[order.argsort()]
    return rounded(blurred, out=blurred)
