"""Weather: snow, frost, fog, brightness, spatter. No photographs. Source of all: Hendrycks & Dietterich, ICLR 2019, as released."""

import functools
import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

from core.corruptions.common import SMALL, at, coarse, gaussian, mirrored, motion, normal, truncated, uniform, zoomed

GREY = (0.299, 0.587, 0.114)
WATER, MUD = (175 / 255, 238 / 255, 238 / 255), (63 / 255, 42 / 255, 20 / 255)
# Mean red, green and blue and the deviation of the grey of the five photographs that the released frost draws from; two of them agree.
FROSTS = ((0.30, 0.58, 0.65, 0.17), (0.79, 0.81, 0.84, 0.09), (0.79, 0.81, 0.84, 0.09), (0.54, 0.60, 0.65, 0.12), (0.44, 0.48, 0.53, 0.17))
SHEET = 512  # pixels of a side of a frost texture
SHRUNK = 0.2  # what is left of its side for small pictures


def snow(images, severity, *, generator):
    """Whiten the picture and let flakes fall, smeared by motion.

    Severity: mean and deviation of the flakes' noise, its magnification, from which value on it is a flake, radius and sigma of the motion,
    what is left of the picture when it whitens.
    """
    mean, deviation, factor, least, radius, sigma, left = at(
        images,
        severity,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    )
    n, _, height, width = images.shape
    flakes = zoomed(normal((n, 1, height, width), images, generator, mean=mean, std=deviation), factor)
    flakes = truncated(flakes.masked_fill(flakes < least, 0.0))
    flakes = motion(flakes, uniform(n, images, generator, low=-135, high=-45), radius=radius, sigma=sigma)
    red, green, blue = images.split(1, 1)
    grey = (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])
    white = torch.maximum(images, grey.mul_(1.5).add_(0.5))
    return white.mul_(1 - left).add_(images, alpha=left).add_(flakes + flakes.flip(2, 3))


def frost(images, severity, *, generator):
    """Lay a piece of a frosted pane over the picture. Severity: the gains of picture and frost.

    Differs: the panes are drawn, once and for all, not photographed; they share the photographs' mean colours and contrast and nothing
    else. Errors under this frost are not to be compared with published ones.
    """
    gain, cover = at(
        images, severity, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)), ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
    )
    n, _, height, width = images.shape
    longest = max(height, width)
    panes = frosts(shrunk=True) if longest <= SMALL else frosts(SHEET * math.ceil((longest + 1) / SHEET))  # (5, 3, S, S)
    room = torch.tensor([len(panes), panes.shape[2] - height, panes.shape[3] - width])
    which, top, left = (uniform((n, 3), images, generator).cpu() * room).long().minimum(room - 1).T
    pieces = panes.unfold(2, height, 1).unfold(3, width, 1)[which, :, top, left]  # (N, 3, H, W)
    return gain * images + cover * pieces.to(images)


@functools.cache
def frosts(side=SHEET, *, shrunk=False):
    """Draw the panes: (5, 3, side, side) float32 in [0, 1], read only; `shrunk` to a fifth as the released code does for 32 x 32.

    Clouds, warped ridges for crystals, needles that branch; then the photographs' mean and contrast.
    """
    if shrunk:
        return F.interpolate(frosts(side), size=(int(side * SHRUNK),) * 2, mode="bilinear", antialias=True)
    generator = torch.Generator().manual_seed(2019)
    panes = []
    for *colour, contrast in FROSTS:
        clouds = sum(0.5**k * _clouds(4 * 2**k, side, generator) for k in range(4))
        bend = 0.06 * torch.stack((_clouds(6, side, generator), _clouds(6, side, generator)), 1)[0] - 0.03  # (2, S, S)
        line = torch.linspace(-1, 1, side)
        places = torch.stack(torch.meshgrid(line, line, indexing="xy"), 2) + 2 * bend.permute(1, 2, 0)
        ridges = sum((1 - (2 * _clouds(cells, side, generator) - 1).abs()).clamp(0, 1) ** 3 for cells in (12, 28, 60))
        ridges = F.grid_sample(ridges[:, None], places[None], padding_mode="reflection", align_corners=True)[0]
        grey = clouds + 0.8 * ridges + 0.9 * _needles(side, generator)
        grey = (grey - grey.mean()) / grey.std() * contrast
        panes.append((torch.tensor(colour)[:, None, None] + grey).clamp(0, 1))
    return torch.stack(panes)


def _clouds(cells, side, generator):
    """Return (1, side, side) smooth noise in about [0, 1] that varies over 1 / cells of the side."""
    coarse = torch.rand(1, 1, cells, cells, generator=generator)
    return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)[0]


def _needles(side, generator):
    """Return (1, side, side) thin lines with side branches at 60 degrees, 1 on a line, blurred by 0.7 pixels."""
    sheet = Image.new("L", (side, side))
    pen = ImageDraw.Draw(sheet)
    for x, y, turn, length in torch.rand(60 * (side // SHEET) ** 2, 4, generator=generator).tolist():
        start, way, length = complex(x, y) * side, complex(math.cos(7 * turn), math.sin(7 * turn)), (0.05 + 0.3 * length) * SHEET
        parts = [(start, way * length)]
        for k in range(1, 10):
            sixty = complex(0.5, math.sqrt(0.75))
            parts += [(start + way * length * k / 10, way * arm * length * (10 - k) / 30) for arm in (sixty, sixty.conjugate())]
        for begin, reach in parts:
            end = begin + reach
            pen.line((begin.real, begin.imag, end.real, end.imag), fill=255)
    return gaussian(torch.from_numpy(np.array(sheet))[None].float() / 255, 0.7)


def fog(images, severity, *, generator):
    """Add fractal clouds and darken again, so that white stays white. Severity: how much; how fast the clouds' detail fades."""
    amount, decay = at(images, severity, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)), ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)))
    height, width = images.shape[-2:]
    cloud = clouds(images, 2 ** math.ceil(math.log2(max(height, width, 2))), decay, generator)[:, None, :height, :width]
    brightest = images.amax((1, 2, 3), keepdim=True)
    return images.add(cloud, alpha=amount).mul_(brightest / (brightest + amount))


def clouds(images, side, decay, generator):
    """Draw one heightmap a picture by diamonds and squares on a torus. Args: side: a power of two. Returns: (N, side, side) in [0, 1].

    The released code multiplies its amplitude with itself: detail fades by the square of `decay` from one size to the next.
    """
    n, amplitude = len(images), 100.0
    corners = images.new_zeros(n, 1, 1)
    while corners.shape[1] < side:
        cells = corners.shape[1]
        wobble = coarse((3, n, cells, cells), images, generator, reach=amplitude**2)
        pair = corners + corners.roll(-1, 1)
        centres = (pair + pair.roll(-1, 2)) / 4 + wobble[0]
        tops = (corners + corners.roll(-1, 2) + centres + centres.roll(1, 1)) / 4 + wobble[1]
        sides = (pair + centres + centres.roll(1, 2)) / 4 + wobble[2]
        upper, lower = torch.stack((corners, tops), 3).flatten(2), torch.stack((sides, centres), 3).flatten(2)  # (N, cells, 2 * cells)
        corners = torch.stack((upper, lower), 2).flatten(1, 2)
        amplitude /= decay
    low, high = corners.amin((1, 2), keepdim=True), corners.amax((1, 2), keepdim=True)
    return (corners - low) / (high - low)


def brightness(images, severity, *, generator):
    """Raise the value of HSV. Severity: by how much. Hue and saturation stay, so each pixel is scaled; a black one turns grey."""
    more = at(images, severity, (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5))
    value = images.amax(1, keepdim=True)
    raised = (value + more).clamp(max=1)
    black = raised.masked_fill(value > 0, 0.0)  # is added, where all three channels are 0
    return (images * (raised / value.clamp(min=torch.finfo(images.dtype).tiny))).add_(black)


def spatter(images, severity, *, generator):
    """Splash water (severities 1 to 3) or mud (4 and 5).

    Severity: mean and deviation of the splashes' noise, its Gaussian's sigma, from which value on it is a splash, the water's opacity or
    the sigma that rounds the mud, whether it is mud. Differs: see `water`.
    """
    mean, deviation, sigma, least, strength, is_mud = at(
        images,
        severity,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, False),
            (0.65, 0.1, 0.8, 0.7, 0.5, False),
            (0.65, 0.3, 1, 0.69, 0.5, False),
            (0.65, 0.1, 0.7, 0.69, 0.6, True),
            (0.65, 0.1, 0.5, 0.68, 0.6, True),
        ),
        (
            (0.65, 0.3, 4, 0.69, 0.6, False),
            (0.65, 0.3, 3, 0.68, 0.6, False),
            (0.65, 0.3, 2, 0.68, 0.5, False),
            (0.65, 0.3, 1, 0.65, 1.5, True),
            (0.67, 0.4, 1, 0.65, 1.5, True),
        ),
    )
    n, _, height, width = images.shape
    layer = gaussian(normal((n, height, width), images, generator, mean=mean, std=deviation), sigma)
    colour = images.new_tensor(MUD if is_mud else WATER).view(1, 3, 1, 1)
    if is_mud:
        mask = gaussian((layer > least).to(images.dtype), strength)
        mask = mask.masked_fill(mask < 0.8, 0.0)[:, None]
        return images * (1 - mask) + colour * mask
    return images + strength * water(layer.masked_fill(layer < least, 0.0))[:, None] * colour


def water(layer):
    """Shade splashes like drops: bright towards one side of their edges.

    Args: layer: (N, H, W), 0 or a splash's height. Returns: (N, H, W) opacity in [0, 1].
    Source: as released: Canny's edges, distance from them, its equalised histogram, an emboss kernel. Differs: the distance is Euclid's, not
        OpenCV's sum of 5 x 5 steps (2 % apart); a layer without a splash leaves the picture alone instead of making it undefined.
    """
    heights = (layer.clamp(0, 1) * 255).to(torch.int16).permute(1, 2, 0).contiguous()  # (H, W, N): neighbours lie far apart, in long runs
    distance = (_boxed(_distance(_edges(heights), furthest=20).sqrt_()) + 1e-3).floor_()
    embossed = _embossed(_equalised(distance, highest=20).short()).clamp_(0, 255)
    shade = heights * _boxed(embossed.to(layer.dtype)).round_()
    return (shade / shade.amax((0, 1)).clamp(min=1)).permute(2, 0, 1).contiguous()


def _framed(x, place):
    """Add a pixel on all four sides. Args: x: (H, W, N); place: f(positions from -1 to size, size) -> positions of the pixels to repeat."""
    for side in (0, 1):
        size = x.shape[side]
        x = x.index_select(side, torch.from_numpy(place(np.arange(-1, size + 1), size)).to(x.device))
    return x


def _nearest(positions, size):
    return positions.clip(0, size - 1)


def _boxed(x):
    """Return the mean of 3 x 3 pixels, mirrored borders. Args: x: (H, W, N) float."""
    x = _framed(x, mirrored)
    x = (x[:-2] + x[1:-1]).add_(x[2:])
    return (x[:, :-2] + x[:, 1:-1]).add_(x[:, 2:]).mul_(1 / 9)


def _embossed(x):
    """Correlate (H, W, N) whole numbers with ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)), mirrored borders."""
    x = _framed(x, mirrored)
    above, here, below = (x[i : x.shape[0] - 2 + i] for i in range(3))
    beside = (here[:, 2:] - here[:, :-2]).add_(here[:, 1:-1]).sub_(above[:, 1:-1]).add_(below[:, 1:-1])
    return beside.add_(below[:, 2:], alpha=2).sub_(above[:, :-2], alpha=2)


def _edges(heights, *, low=50, high=150):
    """Return (H, W, N) bool: Canny's edges with Sobel gradients, |x| + |y| as their size. Args: heights: (H, W, N) int16, 0 to 255."""
    around = _framed(heights, _nearest)
    smooth = (around[:-2] + around[2:]).add_(around[1:-1], alpha=2)
    x = smooth[:, 2:] - smooth[:, :-2]
    smooth = (around[:, :-2] + around[:, 2:]).add_(around[:, 1:-1], alpha=2)
    y = smooth[2:] - smooth[:-2]
    across, down = x.abs(), y.abs()
    size = across + down
    outer = F.pad(size, (0, 0, 1, 1, 1, 1))
    height, width = size.shape[:2]

    def beside(down, right):
        return outer[1 + down : 1 + down + height, 1 + right : 1 + right + width]

    flat, steep = down < math.tan(math.pi / 8) * across, down > math.tan(3 * math.pi / 8) * across
    # whole numbers: above the one and not below the other is not below the larger of the first plus 1 and the other; comparing costs most here
    along, upright = (size >= torch.maximum(beside(*there) + 1, beside(*back)) for there, back in (((0, -1), (0, 1)), ((-1, 0), (1, 0))))
    falling, rising = (size > torch.maximum(beside(-1, -side), beside(1, side)) for side in (1, -1))
    opposite = (x ^ y) < 0
    slanted = (opposite & rising) | (~opposite & falling)
    crest = ((flat & along) | (steep & upright) | (~(flat | steep) & slanted)) & (size > low)
    framed = F.pad(crest & (size > high), (0, 0, 1, 1, 1, 1))
    edges, before = framed[1:-1, 1:-1], 0
    while (count := int(edges.sum())) != before:  # weak crests that touch an edge are edges
        wide, before = framed[:, :-2] | framed[:, 1:-1] | framed[:, 2:], count
        torch.logical_and(wide[:-2] | wide[1:-1] | wide[2:], crest, out=edges)
    return edges


def _distance(edges, *, furthest):
    """Return (H, W, N) float32: the square of Euclid's distance in pixels to the nearest edge, at most of `furthest`. Args: edges: (H, W, N) bool."""
    (height, width), step = edges.shape[:2], 1
    along = torch.where(edges, 0, furthest).short()
    while step < min(furthest, width):  # along the rows each step looks twice as far
        reached = along + step
        torch.minimum(along[:, step:], reached[:, :-step], out=along[:, step:])
        torch.minimum(along[:, :-step], reached[:, step:], out=along[:, :-step])
        step *= 2
    squares = along * along
    nearest = squares.clone()
    for step in range(1, min(furthest, height)):  # down the columns squares do not add up so
        reached = squares + step**2
        torch.minimum(nearest[step:], reached[:-step], out=nearest[step:])
        torch.minimum(nearest[:-step], reached[step:], out=nearest[:-step])
    return nearest.float()


def _equalised(levels, *, highest):
    """Spread the histogram of each picture over 0 to 255, as OpenCV's equalizeHist. Args: levels: (H, W, N) whole numbers from 0 to `highest`."""
    n, total = levels.shape[2], levels.shape[0] * levels.shape[1]
    column = torch.arange(n, device=levels.device, dtype=torch.int32)
    index = (levels.int() * n + column).flatten()  # of a level's count, for each picture
    counts = torch.bincount(index, minlength=(highest + 1) * n).view(-1, n).to(levels.dtype)
    below = counts.cumsum(0)
    first = torch.where((below == counts) & (counts > 0), counts, 0).amax(0)  # how many have the lowest level that there is
    spread = ((below - first) * (255 / (total - first).clamp(min=1))).round_()
    same = torch.arange(highest + 1, device=levels.device, dtype=levels.dtype)[:, None]
    return torch.where(first == total, same, spread).flatten().index_select(0, index).view_as(levels)
