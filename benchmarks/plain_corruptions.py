"""The published corruptions once more, one picture at a time in NumPy and SciPy, straight from the published definition: to check against and to race.

Every function is f(picture (H, W, 3) uint8, severity, rng) -> (H, W, 3) in [0, 255] before it is cut to uint8. Frost takes the panes
that ours draws, for there are no photographs here. Shared with nothing of `core.corruptions` else, tables included.
"""

import io
import math

import numpy as np
from PIL import Image
from scipy import ndimage

SMALL = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "shot_noise": (500, 250, 100, 75, 50),
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),
    "defocus_blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    "glass_blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    "motion_blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    "zoom_blur": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    "snow": (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    "frost": ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "elastic_transform": ((0, 0, 0.08 * 32), (0.05 * 32, 0.2 * 32, 0.07 * 32), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg_compression": (80, 65, 58, 50, 40),
    "speckle_noise": (0.06, 0.1, 0.12, 0.16, 0.2),
    "gaussian_blur": (0.4, 0.6, 0.7, 0.8, 1),
    "spatter": (
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    "saturate": ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
}
LARGE = {
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot_noise": (60, 25, 12, 5, 3),
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "glass_blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom_blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    "snow": (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    "frost": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "elastic_transform": tuple(
        (244 * a, 244 * b, 244 * c) for a, b, c in ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))
    ),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "jpeg_compression": (25, 18, 15, 10, 7),
    "speckle_noise": (0.15, 0.2, 0.35, 0.45, 0.6),
    "gaussian_blur": (1, 2, 3, 4, 6),
    "spatter": (
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
    "saturate": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
}


def corrupt(picture, name, severity, rng):
    """Args: picture: (H, W, 3) uint8. Returns: the same shape and dtype, cut as released."""
    setting = (SMALL if max(picture.shape[:2]) <= 64 else LARGE)[name][severity - 1]
    return np.clip(globals()[name](picture, setting, rng), 0, 255).astype(np.uint8)


def gaussian_noise(picture, deviation, rng):
    return 255 * np.clip(picture / 255 + rng.normal(0, deviation, picture.shape), 0, 1)


def shot_noise(picture, photons, rng):
    return 255 * np.clip(rng.poisson(picture / 255 * photons) / photons, 0, 1)


def impulse_noise(picture, share, rng):
    flipped, white = rng.random(picture.shape) <= share, rng.random(picture.shape) <= 0.5
    return np.where(flipped, 255.0 * white, picture)


def speckle_noise(picture, deviation, rng):
    x = picture / 255
    return 255 * np.clip(x + x * rng.normal(0, deviation, picture.shape), 0, 1)


def gaussian_blur(picture, sigma, rng):
    return 255 * blurred(picture / 255, sigma)


def blurred(x, sigma, mode="nearest", truncate=4.0):
    """Blur each channel, as scikit-image's `gaussian`."""
    return ndimage.gaussian_filter(x, (sigma, sigma, 0)[: x.ndim], mode=mode, truncate=truncate)


def defocus_blur(picture, setting, rng):
    radius, sigma = setting
    half = 8 if radius <= 8 else radius
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    disc = (x * x + y * y <= radius * radius).astype(float)
    taps = np.arange(-1, 2) if radius <= 8 else np.arange(-2, 3)
    bell = np.exp(-(taps**2) / (2 * sigma**2))
    kernel = ndimage.correlate(disc / disc.sum(), np.outer(bell, bell) / bell.sum() ** 2, mode="mirror")
    return 255 * np.stack([ndimage.correlate(picture[..., c] / 255, kernel, mode="mirror") for c in range(3)], -1)


def glass_blur(picture, setting, rng):
    sigma, reach, times = setting
    x = (blurred(picture / 255, sigma) * 255 + 1e-9).astype(np.uint8)
    height, width = x.shape[:2]
    for _ in range(times):
        x = overwritten(x, rng.integers(-reach, reach, (2, height, width)), reach)
    return 255 * blurred(x / 255, sigma)


def overwritten(x, offsets, reach):
    """Give each pixel the present value of its neighbour at `offsets` (2, H, W: right, down), from the last to the first."""
    x = x.copy()
    height, width = x.shape[:2]
    (right, down) = offsets.tolist()
    for h in range(height - reach, reach, -1):
        for w in range(width - reach, reach, -1):
            x[h, w] = x[h + down[h][w], w + right[h][w]]
    return x


def motion_blur(picture, setting, rng):
    return ray(picture, *setting, rng.uniform(-45, 45))


def ray(picture, radius, sigma, angle):
    """Blur along a ray at an angle in degrees, as ImageMagick: whole pixels, repeated borders, rounded to 8 bits."""
    angle = math.radians(angle)
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    height, width = picture.shape[:2]
    total = np.zeros(picture.shape)
    for i, weight in enumerate(weights):
        right, down = math.ceil(i * math.cos(angle) - 0.5), math.ceil(i * math.sin(angle) - 0.5)
        rows, columns = (np.arange(height) + down).clip(0, height - 1), (np.arange(width) + right).clip(0, width - 1)
        total += weight * picture[rows[:, None], columns]
    return np.floor(total + 0.5)


def zoom_blur(picture, setting, rng):
    x = picture / 255
    factors = np.arange(1, *setting)
    return 255 * (x + sum(magnified(x, factor) for factor in factors)) / (len(factors) + 1)


def magnified(x, factor):
    """Magnify the middle of (H, W, C)."""
    height, width = x.shape[:2]
    tall, wide = math.ceil(height / factor), math.ceil(width / factor)
    top, left = (height - tall) // 2, (width - wide) // 2
    large = ndimage.zoom(x[top : top + tall, left : left + wide], (factor, factor, 1), order=1)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width]


def snow(picture, setting, rng):
    mean, deviation, factor, least, radius, sigma, left = setting
    x = picture / 255
    flakes = magnified(rng.normal(mean, deviation, picture.shape[:2])[..., None], factor)
    flakes = (np.clip(np.where(flakes < least, 0, flakes), 0, 1) * 255).astype(np.uint8)
    flakes = ray(flakes, radius, sigma, rng.uniform(-135, -45)) / 255
    grey = (x @ (0.299, 0.587, 0.114))[..., None]
    return 255 * np.clip(left * x + (1 - left) * np.maximum(x, 1.5 * grey + 0.5) + flakes + flakes[::-1, ::-1], 0, 1)


def frost(picture, setting, rng):
    from core.corruptions.weather import frosts

    height, width = picture.shape[:2]
    pane = frosts(shrunk=max(height, width) <= 64)[rng.integers(5)].permute(1, 2, 0).numpy()
    top, left = rng.integers(0, pane.shape[0] - height), rng.integers(0, pane.shape[1] - width)
    return setting[0] * picture + setting[1] * 255 * pane[top : top + height, left : left + width]


def fog(picture, setting, rng):
    amount, decay = setting
    height, width = picture.shape[:2]
    x = picture / 255
    brightest = x.max()
    side = 2 ** math.ceil(math.log2(max(height, width)))
    return 255 * np.clip((x + amount * plasma(side, decay, rng)[:height, :width, None]) * brightest / (brightest + amount), 0, 1)


def plasma(side, decay, rng):
    """Draw a heightmap by diamonds and squares on a torus, point by point in place."""
    ground, step, wobble = np.zeros((side, side)), side, 100.0
    while step >= 2:
        half = step // 2
        lines, middles = np.arange(0, side, step), np.arange(half, side, step)

        def fill(rows, columns, neighbours, wobble=wobble):
            around = sum(ground[np.ix_((rows + y) % side, (columns + x) % side)] for y, x in neighbours)
            ground[np.ix_(rows, columns)] = around / 4 + wobble * rng.uniform(-wobble, wobble, (len(rows), len(columns)))

        fill(middles, middles, [(-half, -half), (-half, half), (half, -half), (half, half)])
        cross = [(-half, 0), (half, 0), (0, -half), (0, half)]
        fill(lines, middles, cross)
        fill(middles, lines, cross)
        step, wobble = half, wobble / decay
    return (ground - ground.min()) / (ground.max() - ground.min())


def brightness(picture, more, rng):
    hue, saturation, value = hsv(picture / 255)
    return 255 * rgb(hue, saturation, np.clip(value + more, 0, 1))


def saturate(picture, setting, rng):
    hue, saturation, value = hsv(picture / 255)
    return 255 * rgb(hue, np.clip(saturation * setting[0] + setting[1], 0, 1), value)


def hsv(x):
    """Return hue (0 to 6, 0 where grey), saturation and value, each (H, W), of (H, W, 3)."""
    red, green, blue = np.moveaxis(x, -1, 0)
    value, span = x.max(-1), np.ptp(x, -1)
    safe = np.where(span > 0, span, 1)
    hue = np.select([value == red, value == green], [(green - blue) / safe % 6, (blue - red) / safe + 2], (red - green) / safe + 4)
    return np.where(span > 0, hue, 0), np.where(value > 0, span / np.where(value > 0, value, 1), 0), value


def rgb(hue, saturation, value):
    """Undo `hsv`."""
    sector = np.floor(hue)
    rest = hue - sector
    low, falling, rising = value * (1 - saturation), value * (1 - rest * saturation), value * (1 - (1 - rest) * saturation)
    ways = [(value, rising, low), (falling, value, low), (low, value, rising), (low, falling, value), (rising, low, value), (value, low, falling)]
    return np.stack([np.choose(sector.astype(int) % 6, channel) for channel in zip(*ways, strict=True)], -1)


def contrast(picture, left, rng):
    x = picture / 255
    mean = x.mean((0, 1))
    return 255 * np.clip((x - mean) * left + mean, 0, 1)


def elastic_transform(picture, setting, rng):
    strength, sigma, shift = setting
    height, width = picture.shape[:2]
    middle, arm = np.array([width // 2, height // 2]), min(height, width) // 3
    anchors = middle + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = anchors + rng.uniform(-shift, shift, (3, 2))
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), anchors)
    y, x = np.mgrid[:height, :width]
    from_x, from_y = np.moveaxis(np.stack([x, y, np.ones_like(x)], -1) @ back, -1, 0)
    warped = np.stack([ndimage.map_coordinates(picture[..., c] / 255, (from_y, from_x), order=1, mode="mirror") for c in range(3)], -1)
    right, down = (strength * blurred(rng.uniform(-1, 1, (height, width)), sigma, "reflect", 3) for _ in range(2))
    return 255 * np.stack([ndimage.map_coordinates(warped[..., c], (y + down, x + right), order=1, mode="reflect") for c in range(3)], -1)


def pixelate(picture, left, rng):
    height, width = picture.shape[:2]
    small = Image.fromarray(picture).resize((int(width * left), int(height * left)), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BOX))


def jpeg_compression(picture, quality, rng):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def spatter(picture, setting, rng):
    mean, deviation, sigma, least, strength, is_mud = setting
    layer = blurred(rng.normal(mean, deviation, picture.shape[:2]), sigma)
    x = picture / 255
    if is_mud:
        mask = blurred((layer > least).astype(float), strength)
        mask = np.where(mask < 0.8, 0, mask)[..., None]
        return 255 * np.clip(x * (1 - mask) + np.array([63, 42, 20]) / 255 * mask, 0, 1)
    return 255 * np.clip(x + strength * water(np.where(layer < least, 0, layer))[..., None] * np.array([175, 238, 238]) / 255, 0, 1)


def water(layer):
    """Shade splashes (H, W) like drops: Canny, distance, equalised histogram, emboss. Returns: (H, W) opacity."""
    heights = (np.clip(layer, 0, 1) * 255).astype(np.uint8)
    edges = canny(heights.astype(int), 50, 150)
    distance = ndimage.distance_transform_edt(~edges).clip(max=20) if edges.any() else np.full(layer.shape, 20.0)
    distance = (ndimage.uniform_filter(distance, 3, mode="mirror") + 1e-6).astype(np.uint8)
    embossed = ndimage.correlate(equalised(distance).astype(int), np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]), mode="mirror").clip(0, 255)
    shade = heights * np.round(ndimage.uniform_filter(embossed.astype(float), 3, mode="mirror"))
    return shade / max(shade.max(), 1)


def canny(heights, low, high):
    """Return (H, W) bool edges with Sobel gradients, as OpenCV's with its L1 size."""
    x, y = (ndimage.sobel(heights, axis, mode="nearest") for axis in (1, 0))
    size = np.abs(x) + np.abs(y)
    outer = np.pad(size, 1)

    def moved(down, right):
        return outer[1 + down : 1 + down + size.shape[0], 1 + right : 1 + right + size.shape[1]]

    slope = np.degrees(np.arctan2(np.abs(y), np.abs(x)))
    sign = np.where(x * y < 0, -1, 1)
    before = np.select([slope < 22.5, slope > 67.5, sign > 0], [size > moved(0, -1), size > moved(-1, 0), size > moved(-1, -1)], size > moved(-1, 1))
    after = np.select([slope < 22.5, slope > 67.5, sign > 0], [size >= moved(0, 1), size >= moved(1, 0), size > moved(1, 1)], size > moved(1, -1))
    crest = before & after & (size > low)
    groups, _ = ndimage.label(crest, np.ones((3, 3)))
    return crest & np.isin(groups, np.unique(groups[crest & (size > high)]))


def equalised(levels):
    """Spread the histogram of (H, W) uint8 over 0 to 255."""
    counts = np.bincount(levels.ravel(), minlength=256)
    first = counts[levels.min()]
    if first == levels.size:
        return levels
    return np.round((counts.cumsum() - first) * (255 / (levels.size - first)))[levels]
