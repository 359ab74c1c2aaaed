"""Toybox: an endless set of drawn toys for out-of-distribution detection, with the mask of every object.

A picture is a pure function of (split, index): ten kinds of toy are known ("train", "val", "test"), six more come in the very same
style as near OOD ("near"), and textures, noise and letters are far OOD. Every toy differs in pose, proportions, colours, surface,
light, background and clutter, so that a network has to learn shapes.
"""

import math
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from core.errors import InputError, unknown
from core.images import toybox_surfaces as surfaces
from core.images.toybox_kinds import CLUTTER, INK, KINDS, WHITE, Paints, Part, Pen, tint

KNOWN = ("boat", "car", "duck", "fish", "house", "mug", "rocket", "teddy", "tree", "umbrella")
HELD_OUT = ("butterfly", "cactus", "guitar", "ice cream", "key", "snail")

# split -> what it shows in turn, and how many pictures it has unless someone asks for more
_KINDS_OF = {
    "train": KNOWN,
    "val": KNOWN,
    "test": KNOWN,
    "near": HELD_OUT,
    "textures": tuple(surfaces.TEXTURES),
    "noise": tuple(surfaces.NOISE),
    "letters": tuple(surfaces.LETTERS),
}
SPLITS = tuple(_KINDS_OF)
SIZES = {"train": 20000, "val": 2000, "test": 2000, "near": 600, "textures": 600, "noise": 600, "letters": 600}

COLOURS = {
    "red": (229, 72, 77),
    "orange": (247, 126, 38),
    "yellow": (255, 199, 64),
    "lime": (150, 200, 72),
    "green": (48, 160, 100),
    "teal": (22, 165, 150),
    "sky": (70, 180, 240),
    "blue": (66, 104, 220),
    "purple": (146, 84, 200),
    "pink": (234, 76, 140),
    "rose": (246, 170, 186),
    "brown": (166, 112, 72),
    "slate": (146, 160, 178),
    "cream": (246, 230, 198),
}
NAVY = (38, 42, 84)


@dataclass(frozen=True)
class Toy:
    """One picture of the toybox.

    Attributes:
        image: (S, S, 3) uint8.
        mask: (S, S) bool, the pixels that show the object; all False for far OOD.
        kind: what is shown, such as "duck", or the family of a far OOD picture, such as "stripes".
        label: 0..9, the place of `kind` in KNOWN; -1 if it is OOD.
    """

    image: np.ndarray
    mask: np.ndarray
    kind: str
    label: int


def draw(split, index, *, size=64):
    """Draw one picture; the same split and index give the same scene at any size.

    Args:
        split: one of SPLITS. index: int >= 0; labels go round, so any run of ten pictures holds each known kind once.
        size: width and height in pixels, 16 to 1024.
    Returns: a `Toy`.
    Raises: InputError if the split is unknown, or index or size is out of range.
    """
    if split not in _KINDS_OF:
        raise unknown("toybox split", split, SPLITS)
    if not _whole(index) or index < 0:
        raise InputError(f"Toybox pictures are counted from 0, but {index!r} was asked for; give a whole number from 0 on.", key="toybox_index", index=index)
    if not _whole(size) or not 16 <= size <= 1024:
        raise InputError(f"A toybox picture is 16 to 1024 pixels wide, but {size!r} was asked for; choose a size in between.", key="toybox_size", size=size)
    index, size = int(index), int(size)
    rng = np.random.default_rng([zlib.crc32(split.encode()), index])
    kind = _KINDS_OF[split][index % len(_KINDS_OF[split])]
    if kind in KINDS:
        picture, mask = _toy(rng, kind, size)
    else:
        picture, mask = _far(rng, split, kind, size), np.zeros((size, size), bool)
    image = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return Toy(image, mask, kind, KNOWN.index(kind) if kind in KNOWN else -1)


def contact_sheet(split, *, rows, columns, size=64, start=0):
    """Lay rows x columns pictures of a split side by side, as a PIL image, beginning with index `start`."""
    pictures = np.stack([draw(split, start + k, size=size).image for k in range(rows * columns)])
    sheet = pictures.reshape(rows, columns, size, size, 3).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(sheet.reshape(rows * size, columns * size, 3))


def _whole(number):
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def _jittered(rng, colour):
    return np.clip(np.asarray(colour) * rng.uniform(0.9, 1.08) + rng.normal(0, 10, 3), 0, 255)


def _toy_colour(rng, name=None):
    colour = COLOURS[name or list(COLOURS)[rng.integers(len(COLOURS))]]
    return tuple(int(c) for c in _jittered(rng, colour))


def _paints(rng, favourite):
    """Choose the colours of a toy: three that differ, and a light one."""
    chosen = [_toy_colour(rng, favourite if rng.random() < 0.35 else None)]
    while len(chosen) < 3:
        colour = _toy_colour(rng)
        if all(_distance(colour, other) > 70 for other in chosen):
            chosen.append(colour)
    body, trim, accent = chosen
    return Paints(body, trim, accent, light=tint(_toy_colour(rng), 0.75), glass=tint(COLOURS["sky"], rng.uniform(0.2, 0.7)))


def _blend(colour, other, share):
    return tuple(int(a + (b - a) * share) for a, b in zip(colour, other, strict=True))


def _distance(a, b):
    """Measure how far two colours are apart, 0..255 or so, by weights that follow the eye."""
    difference = np.subtract(a, b)
    return math.sqrt(0.3 * difference[0] ** 2 + 0.5 * difference[1] ** 2 + 0.2 * difference[2] ** 2)


def _quiet_colours(rng, body):
    """Return a function that gives quiet background colours, in [0, 1], that stand off from the colour of the object."""
    deep = rng.random() < 0.3

    def soft():
        for _ in range(8):
            colour = _blend(_toy_colour(rng), NAVY if deep else WHITE, rng.uniform(0.4, 0.7))
            if _distance(colour, body) > 60:
                break
        return np.array(colour, np.float32) / 255

    return soft


def _toy(rng, kind, size):
    """Draw a toy in its scene; return the picture (S, S, 3) in about [0, 1] and the mask of the object."""
    build, favourite = KINDS[kind]
    paints = _paints(rng, favourite)
    pen = Pen()
    build(pen, paints, rng)
    pose, bounds = _fit(rng, pen.parts)
    layers = _Layers(size, _line(rng, paints.body))
    for _ in range(rng.integers(0, 5)):
        layers.paint(*_clutter(rng, rng.uniform(0.05, 0.95, 2)))
    layers.paint(pen.parts, pose, is_object=True)
    if rng.random() < 0.2:
        layers.paint(*_clutter(rng, _on_edge(rng, bounds)))
    ground = surfaces.BACKGROUNDS[rng.integers(len(surfaces.BACKGROUNDS))](rng, size, _quiet_colours(rng, paints.body))
    picture, mask = layers.light(rng, ground, pose, _jittered(rng, paints.trim if rng.random() < 0.6 else paints.light) / 255)
    grain = rng.uniform(0, 0.03) * (surfaces.field(rng, size, 64) - 0.5)
    return picture + grain[..., None], mask


def _fit(rng, parts):
    """Choose a pose and fit the parts into the picture.

    Returns: (3, 3) homography from object to picture coordinates in [0, 1], and the bounds (x0, y0, x1, y1) in the picture.
    """
    angle = rng.uniform(-math.pi, math.pi) if rng.random() < 0.12 else rng.normal(0, 0.22)
    c, s = math.cos(angle), math.sin(angle)
    stretch = rng.uniform(0.88, 1.14)
    mirror = rng.choice([-1, 1])
    shape = np.array([[c, -s], [s, c]]) @ np.array([[mirror * stretch, rng.normal(0, 0.08)], [0, 1 / stretch]])
    pose = np.eye(3)
    pose[:2, :2] = shape
    pose[2, :2] = rng.uniform(-0.1, 0.1, 2)
    points = _placed(np.vstack([polygon for part in parts for polygon in part.polygons]), pose)
    low, high = points.min(0), points.max(0)
    extent = high - low
    scale = min(rng.uniform(0.66, 0.9) / math.sqrt(extent[0] * extent[1]), 0.95 / extent.max())
    room = np.maximum(1 - scale * extent, 0) / 2 + 0.03
    centre = 0.5 + rng.uniform(-1, 1, 2) * room
    shift = centre - scale * (low + high) / 2
    pose = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]]) @ pose
    return pose, np.concatenate([scale * low + shift, scale * high + shift])


def _placed(points, pose):
    """Move points (N, 2) by a homography (3, 3)."""
    moved = points @ pose[:, :2].T + pose[:, 2]
    return moved[:, :2] / moved[:, 2:]


def _clutter(rng, centre):
    """Return a small shape round `centre` as (parts, pose)."""
    polygons = CLUTTER[rng.integers(len(CLUTTER))]()
    polygons = tuple(polygons) if isinstance(polygons, list) else (polygons,)
    angle, r = rng.uniform(0, 2 * math.pi), rng.uniform(0.04, 0.11)
    c, s = r * math.cos(angle), r * math.sin(angle)
    return [Part(polygons, _toy_colour(rng), False, True)], np.array([[c, -s, centre[0]], [s, c, centre[1]], [0, 0, 1]])


def _on_edge(rng, bounds):
    """Return a point near the edge of the bounds."""
    angle = rng.uniform(0, 2 * math.pi)
    centre, half = (bounds[:2] + bounds[2:]) / 2, (bounds[2:] - bounds[:2]) / 2
    return np.clip(centre + half * 0.85 * np.array([math.cos(angle), math.sin(angle)]), 0.04, 0.96)


def _line(rng, body):
    """Choose the outline of a picture: (width in pictures, colour), where None stands for a darker tone of each part."""
    colour = (None, None, tint(INK, rng.uniform(0, 0.2)), WHITE)[rng.integers(4)]
    return (0.0 if rng.random() < 0.15 else rng.uniform(0.008, 0.018)), colour


def _grown(points, width):
    """Move the outline of a polygon outwards by `width`."""
    ahead = points[np.r_[1 : len(points), 0]] - points
    ahead /= np.hypot(ahead[:, 0], ahead[:, 1])[:, None] + 1e-9
    behind = ahead[np.r_[-1, 0 : len(points) - 1]]
    x, y = points[:, 0], points[:, 1]
    area = np.dot(x, y[np.r_[1 : len(y), 0]]) - np.dot(y, x[np.r_[1 : len(x), 0]])
    normal = (ahead + behind)[:, ::-1] * (1, -1)
    normal *= 1 / np.maximum(0.5 * (normal**2).sum(1), 0.5)[:, None]
    return points + math.copysign(width, area) * normal


class _Layers:
    """The flat drawing of a scene, several times as large as the picture, which `light` then turns into the picture."""

    def __init__(self, size, line):
        self.size, self.side = size, size * surfaces.SAMPLES
        self.line_width, self.line_colour = line
        self.height = 90
        self.colour = Image.new("RGB", (self.side, self.side))
        self.data = Image.new("CMYK", (self.side, self.side))  # four plain channels: covered, height, pattern, object
        self._pens = ImageDraw.Draw(self.colour), ImageDraw.Draw(self.data)

    def paint(self, parts, pose, *, is_object=False):
        """Paint parts over what is there, each a little higher than the one before."""
        mark = 255 if is_object else 0
        for part in parts:
            self.height = min(self.height + 9, 255)
            polygons = [_placed(polygon, pose) * self.side for polygon in part.polygons]
            if part.line and self.line_width:
                colour = self.line_colour or tint(part.colour, -0.45)
                for polygon in polygons:
                    self._fill(_grown(polygon, self.line_width * self.side), colour, (255, self.height - 9, 0, mark))
            for polygon in polygons:
                self._fill(polygon, part.colour, (255, self.height, 255 * part.pattern, mark))

    def _fill(self, polygon, colour, data):
        corners = np.rint(polygon - 0.5).ravel().tolist()
        for pen, value in zip(self._pens, (colour, data), strict=True):
            pen.polygon(corners, fill=value)

    def light(self, rng, ground, pose, second):
        """Average down, add the pattern in its second colour, shade, and set the scene on the ground with a soft shadow."""
        data = self.data.reduce(surfaces.SAMPLES)
        covered, height, patterned, thing = (np.asarray(band, np.float32) / 255 for band in data.split())
        picture = np.asarray(self.colour.reduce(surfaces.SAMPLES), np.float32) / 255  # already weighted by `covered`
        u, v = _unplaced(*surfaces.grid(self.size), pose)
        pattern = surfaces.PATTERNS[rng.integers(len(surfaces.PATTERNS))](rng, u, v)
        picture = surfaces.mix(picture, second, patterned * pattern * rng.uniform(0.5, 1))

        angle = rng.normal(-math.pi / 2, 0.8)  # most light comes from above
        toward = math.cos(angle), math.sin(angle)
        relief = 0.6 * self._slope(data, 0.012, toward) + self._slope(data, 0.05, toward)
        shade = 1 + np.clip(rng.uniform(0.05, 0.09) * relief, -0.4, 0.3)
        gloss = rng.uniform(0, 0.4) * np.clip(0.16 * relief - 0.5, 0, 1) * covered
        picture = picture * shade[..., None] + gloss[..., None]

        shadow = rng.uniform(0.15, 0.45) * self._shadow(data, toward, rng.uniform(0.02, 0.06), rng.uniform(0.015, 0.04))
        picture = ground * ((1 - shadow) * (1 - covered))[..., None] + picture
        x, y = surfaces.grid(self.size)
        slope = rng.uniform(0, 0.3) * ((x - 0.5) * toward[0] + (y - 0.5) * toward[1])
        cast = rng.uniform(0.84, 1.12) * (1 + rng.normal(0, 0.05, 3)).astype(np.float32)
        return picture * (1 + slope)[..., None] * cast, thing >= 0.5

    def _slope(self, data, blur, toward):
        """Measure how much the blurred height falls off toward the light, in heights per picture: that side is lit."""
        height = np.asarray(data.getchannel(1).filter(ImageFilter.GaussianBlur(blur * self.size)), np.float32) / 255
        down, right = np.gradient(height * self.size)
        return -(right * toward[0] + down * toward[1])

    def _shadow(self, data, toward, offset, blur):
        """Shift what is covered away from the light and blur it."""
        dx, dy = (offset * self.size * t for t in toward)
        moved = data.getchannel(0).transform(data.size, Image.Transform.AFFINE, (1, 0, dx, 0, 1, dy), Image.Resampling.BILINEAR)
        return np.asarray(moved.filter(ImageFilter.GaussianBlur(blur * self.size)), np.float32) / 255


def _unplaced(x, y, pose):
    """Return the object coordinates of picture points, without the perspective."""
    a = np.linalg.inv(np.vstack([pose[:2] / pose[2, 2], [0, 0, 1]])).astype(np.float32)
    return a[0, 0] * x + a[0, 1] * y + a[0, 2], a[1, 0] * x + a[1, 1] * y + a[1, 2]


def _far(rng, split, family, size):
    """Draw a far OOD picture."""
    if split == "noise":
        return surfaces.noise(rng, size, family)
    paint = surfaces.TEXTURES[family] if split == "textures" else surfaces.LETTERS[family]
    return paint(rng, size, _contrasting(rng))


def _contrasting(rng):
    """Choose three colours in [0, 1]; the second and the third stand off from the first."""
    other = (WHITE, NAVY)[rng.integers(2)]
    colours = [_blend(_toy_colour(rng), other, rng.uniform(0, 0.8))]
    while len(colours) < 3:
        colour = _blend(_toy_colour(rng), (WHITE, NAVY)[rng.integers(2)], rng.uniform(0, 0.8))
        if _distance(colour, colours[0]) > 55:
            colours.append(colour)
    return np.array(colours, np.float32) / 255
