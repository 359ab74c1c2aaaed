"""Draw the objects of the toybox: a few shape primitives, and one small function per kind of object.

An object lives in its own coordinates, x to the right and y down, within about [-1, 1]; `toybox` fits it into the picture.
A kind fills parts from back to front with a `Pen`. What varies between two toys of a kind (proportions, details) is drawn from
`rng`; the colours come from `paints`, so that no colour gives a kind away.
"""

import math
from dataclasses import dataclass, field

import numpy as np

_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * math.pi, 28, endpoint=False)), np.sin(np.linspace(0, 2 * math.pi, 28, endpoint=False))], 1)
_T = np.linspace(0, 1, 6, endpoint=False)[:, None]
_SPLINE = np.hstack([-(_T**3) + 2 * _T**2 - _T, 3 * _T**3 - 5 * _T**2 + 2, -3 * _T**3 + 4 * _T**2 + _T, _T**3 - _T**2]) / 2
_B = np.linspace(0, 1, 5)[:, None]
_CORNER = np.hstack([(1 - _B) ** 2, 2 * _B * (1 - _B), _B**2])

WHITE = (250, 250, 246)
INK = (44, 40, 56)
WOOD = (176, 122, 74)


@dataclass(frozen=True)
class Paints:
    """The colours of one toy, each an (r, g, b) of 0..255."""

    body: tuple
    trim: tuple
    accent: tuple
    light: tuple
    glass: tuple


@dataclass(frozen=True)
class Part:
    """Polygons, each (N, 2), that are outlined and filled together."""

    polygons: tuple
    colour: tuple
    pattern: bool
    line: bool


@dataclass
class Pen:
    """Collect the parts of one object from back to front."""

    parts: list = field(default_factory=list)

    def fill(self, polygons, colour, *, pattern=False, line=True):
        """Add a part: one polygon or a list that melts into one shape; `pattern` lets the toy's surface pattern show on it."""
        polygons = tuple(polygons) if isinstance(polygons, list) else (polygons,)
        self.parts.append(Part(polygons, colour, pattern, line))

    def eye(self, x, y, r):
        """Add a friendly eye that looks a little to the right."""
        self.fill(ellipse(x, y, r, r * 1.1), WHITE, line=False)
        self.fill(ellipse(x + 0.2 * r, y, 0.66 * r, 0.74 * r), INK, line=False)
        self.fill(ellipse(x + 0.42 * r, y - 0.3 * r, 0.26 * r), WHITE, line=False)


def tint(colour, amount):
    """Lighten (amount > 0) or darken (amount < 0) a colour."""
    target = 255 if amount > 0 else 0
    return tuple(round(c + (target - c) * abs(amount)) for c in colour)


def ellipse(x, y, rx, ry=None, turn=0.0):
    """Return an ellipse round (x, y), turned by `turn` radians."""
    points = _CIRCLE * (rx, rx if ry is None else ry)
    if turn:
        c, s = math.cos(turn), math.sin(turn)
        points = points @ np.array([[c, s], [-s, c]])
    return points + (x, y)


def poly(points, r=0.06):
    """Return a polygon whose corners are rounded over a length of `r`."""
    points = np.asarray(points, float)
    ahead = points[np.r_[1 : len(points), 0]] - points
    length = np.hypot(ahead[:, 0], ahead[:, 1])[:, None] + 1e-9
    leave = points + ahead * np.minimum(r / length, 0.48)
    arrive = points + ahead * (1 - np.minimum(r / length, 0.48))
    corners = np.stack([arrive[np.r_[-1, 0 : len(points) - 1]], points, leave])
    return np.einsum("bk,knd->nbd", _CORNER, corners).reshape(-1, 2)


def box(x0, y0, x1, y1, r=0.06):
    """Return a rectangle with rounded corners."""
    return poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], r)


def blob(points):
    """Return a smooth closed curve through the points (Catmull-Rom)."""
    points = np.asarray(points, float)
    n = np.arange(len(points))
    around = points[np.stack([n - 1, n, (n + 1) % len(n), (n + 2) % len(n)])]
    return np.einsum("tk,knd->ntd", _SPLINE, around).reshape(-1, 2)


def mirrored(points):
    """Return the closed outline of which these points, from top to bottom, are the right half."""
    return np.vstack([points, np.asarray(points)[::-1] * (-1, 1)])


def dome(x, y, rx, ry):
    """Return the upper half of an ellipse, standing on y."""
    return np.vstack([_CIRCLE[14:], _CIRCLE[:1]]) * (rx, ry) + (x, y)


def stroke(points, width):
    """Return a thick smooth line through the points, with round ends."""
    points = np.asarray(points, float)
    if len(points) > 2:
        padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
        around = np.stack([padded[k : len(points) - 1 + k] for k in range(4)])
        points = np.vstack([np.einsum("tk,knd->ntd", _SPLINE, around).reshape(-1, 2), points[-1]])
    along = np.gradient(points, axis=0)
    along /= np.hypot(along[:, 0], along[:, 1])[:, None] + 1e-9
    side = along[:, ::-1] * (-1, 1) * width / 2
    cap = _CIRCLE[1:14]  # half a turn, from one side of the line to the other
    tail = points[0] - np.outer(cap[:, 0], side[0]) - np.outer(cap[:, 1], along[0] * width / 2)
    head = points[-1] + np.outer(cap[:, 0], side[-1]) + np.outer(cap[:, 1], along[-1] * width / 2)
    return np.vstack([points + side, head, (points - side)[::-1], tail])


def ring(x, y, r, width):
    """Return a ring as two half rings, to be filled together."""
    angles = np.linspace(0, math.pi, 7)
    half = np.stack([np.cos(angles), np.sin(angles)], 1) * r
    return [stroke(half + (x, y), width), stroke(-half + (x, y), width)]


def boat(pen, paints, rng):
    mast, top = rng.uniform(-0.1, 0.12), rng.uniform(-1, -0.8)
    pen.fill(box(mast - 0.05, top, mast + 0.05, 0.4), WOOD)
    pen.fill(poly([(mast - 0.03, top - 0.14), (mast - 0.03, top + 0.12), (mast - 0.38, top)], 0.03), paints.accent)
    pen.fill(blob([(mast + 0.08, top + 0.08), (mast + 0.5, -0.35), (0.86, 0.2), (0.45, 0.25), (mast + 0.08, 0.22)]), paints.light)
    pen.fill(blob([(mast - 0.09, top + 0.25), (mast - 0.09, 0.22), (-0.5, 0.25), (-0.76, 0.18), (-0.4, -0.25)]), paints.trim)
    pen.fill(poly([(-1, 0.32), (1, 0.32), (0.82, 0.72), (0.6, 0.92), (-0.56, 0.92), (-0.8, 0.72)], 0.12), paints.body, pattern=True)
    pen.fill(poly([(-1.02, 0.3), (1.02, 0.3), (0.96, 0.48), (-0.96, 0.48)], 0.04), paints.accent)
    for x in np.linspace(-0.4, 0.4, rng.integers(2, 4)):
        pen.fill(ellipse(x, 0.68, 0.09), paints.glass)


def car(pen, paints, rng):
    front, roof = rng.uniform(0.42, 0.6), rng.uniform(-0.62, -0.5)
    pen.fill(poly([(-0.72, 0.1), (-0.52, roof), (front - 0.22, roof), (front + 0.1, 0.1)], 0.16), paints.body)
    pillar = rng.uniform(-0.12, 0.0)
    for sill, top, post in ((-0.56, -0.42, pillar - 0.05), (front - 0.06, front - 0.27, pillar + 0.05)):
        pen.fill(poly([(sill, 0.02), (top, roof + 0.13), (post, roof + 0.13), (post, 0.02)], 0.07), paints.glass)
    pen.fill(poly([(-1, 0.02), (front + 0.1, -0.02), (0.94, 0.1), (1, 0.48), (-1, 0.48)], 0.16), paints.body, pattern=True)
    pen.fill(box(-1.06, 0.34, 1.06, 0.5, 0.08), paints.trim)
    pen.fill(ellipse(0.9, 0.2, 0.1, 0.09), (255, 236, 160))
    pen.fill(box(-1.0, 0.08, -0.9, 0.24, 0.04), (226, 70, 60))
    pen.fill(box(pillar - 0.16, 0.12, pillar + 0.0, 0.17, 0.03), tint(paints.body, -0.45), line=False)
    for x in (-0.55, 0.55):
        pen.fill(ellipse(x, 0.5, 0.29), INK)
        pen.fill(ellipse(x, 0.5, 0.16), paints.light, line=False)
        pen.fill(ellipse(x, 0.5, 0.06), paints.accent, line=False)


def duck(pen, paints, rng):
    plump, head = rng.uniform(0.86, 1.0), rng.uniform(0.4, 0.47)
    pen.fill(poly([(0.72, -0.62), (1.12, -0.5), (1.1, -0.38), (0.7, -0.32)], 0.08), paints.accent)
    back = [(-0.94, 0.3), (-1, -0.2), (-0.66, 0.02), (-0.1, -0.06), (0.42, -0.1)]
    belly = [(0.74, 0.3), (0.5, 0.74), (-0.1, plump), (-0.66, 0.7)]
    pen.fill([blob(back + belly), ellipse(0.4, -0.46, head)], paints.body, pattern=True)
    pen.fill(blob([(-0.6, 0.22), (-0.2, 0.16), (0.16, 0.28), (0.02, 0.54), (-0.36, 0.62), (-0.52, 0.42)]), paints.trim)
    pen.eye(0.52, -0.56, 0.13)
    pen.fill(ellipse(0.38, -0.3, 0.1, 0.07), tint(paints.accent, 0.25), line=False)


def fish(pen, paints, rng):
    tall, tail = rng.uniform(0.5, 0.62), rng.uniform(0.42, 0.56)
    pen.fill(blob([(-0.4, 0), (-0.8, -tail), (-1.06, -tail), (-0.9, 0), (-1.06, tail), (-0.8, tail)]), paints.trim)
    pen.fill(blob([(-0.4, -0.2), (-0.3, -tall - 0.26), (0.1, -tall - 0.2), (0.4, -0.3)]), paints.trim)
    pen.fill(blob([(-0.2, 0.3), (-0.24, tall + 0.2), (0.02, tall + 0.1), (0.2, 0.35)]), paints.trim)
    back = [(-0.64, 0), (-0.2, -tall * 0.86), (0.3, -tall), (0.8, -tall * 0.55)]
    belly = [(1, 0.04), (0.8, tall * 0.6), (0.3, tall), (-0.2, tall * 0.84)]
    pen.fill(blob(back + belly), paints.body, pattern=True)
    pen.fill(stroke([(0.34, -0.34), (0.24, 0.02), (0.36, 0.36)], 0.08), paints.light, line=False)
    pen.fill(blob([(0.14, 0.06), (-0.3, 0.0), (-0.34, 0.26), (0.06, 0.26)]), paints.accent)
    pen.eye(0.62, -0.14, 0.15)
    pen.fill(stroke([(0.93, 0.13), (0.83, 0.2), (0.72, 0.17)], 0.06), tint(paints.body, -0.6), line=False)


def house(pen, paints, rng):
    side, door = rng.choice([-1, 1]), rng.uniform(-0.1, 0.1)
    pen.fill(box(side * 0.48 - 0.13, -0.95, side * 0.48 + 0.13, -0.2, 0.03), tint(paints.trim, -0.25))
    pen.fill(box(-0.74, -0.25, 0.74, 0.92, 0.04), paints.body, pattern=True)
    pen.fill(poly([(-1, -0.14), (0, rng.uniform(-1, -0.88)), (1, -0.14)], 0.1), paints.trim)
    pen.fill(ellipse(0, -0.42, 0.15), paints.glass)
    pen.fill([box(door - 0.19, 0.36, door + 0.19, 0.92, 0.02), dome(door, 0.38, 0.19, 0.17)], paints.accent)
    pen.fill(ellipse(door + 0.1, 0.62, 0.045), paints.light, line=False)
    for x in (-0.5, 0.5):
        pen.fill(box(x - 0.17, 0.12, x + 0.17, 0.48, 0.03), WHITE)
        for dx in (-0.07, 0.07):
            pen.fill([box(x + dx - 0.05, y, x + dx + 0.05, y + 0.12, 0.01) for y in (0.17, 0.31)], paints.glass, line=False)


def mug(pen, paints, rng):
    base, rim = rng.uniform(0.5, 0.62), rng.uniform(-0.6, -0.45)
    for x in (-0.42, -0.12, 0.18):
        pen.fill(stroke([(x, rim - 0.16), (x + 0.09, rim - 0.28), (x - 0.02, rim - 0.38), (x + 0.07, rim - 0.5)], 0.09), WHITE, line=False)
    pen.fill(stroke([(0.5, rim + 0.3), (0.86, rim + 0.28), (1.0, 0.2), (0.84, 0.52), (0.45, 0.58)], 0.2), paints.trim)
    pen.fill(poly([(-0.72, rim), (0.62, rim), (base, 0.9), (-base - 0.1, 0.9)], 0.2), paints.body, pattern=True)
    pen.fill(ellipse(-0.05, rim, 0.68, 0.17), paints.light)
    pen.fill(ellipse(-0.05, rim + 0.03, 0.57, 0.11), (112, 68, 44), line=False)
    if rng.random() < 0.5:
        pen.fill(heart(-0.05, 0.22, 0.3), paints.accent)
    else:
        pen.fill([ellipse(-0.27, 0.12, 0.07, 0.1), ellipse(0.17, 0.12, 0.07, 0.1)], INK, line=False)
        pen.fill(stroke([(-0.2, 0.36), (-0.05, 0.45), (0.1, 0.36)], 0.07), INK, line=False)


def rocket(pen, paints, rng):
    wide, fin = rng.uniform(0.36, 0.44), rng.uniform(0.72, 0.86)
    pen.fill(blob([(-0.24, 0.6), (0.24, 0.6), (0.2, 0.84), (0, 1.1), (-0.2, 0.84)]), (255, 150, 46))
    pen.fill(blob([(-0.12, 0.6), (0.12, 0.6), (0.1, 0.76), (0, 0.9), (-0.1, 0.76)]), (255, 226, 110), line=False)
    for s in (-1, 1):
        pen.fill(poly([(s * 0.2, 0.08), (s * fin, 0.5), (s * fin, 0.84), (s * 0.2, 0.6)], 0.14), paints.trim)
    hull = [(0.05, -0.98), (wide * 0.72, -0.56), (wide, -0.02), (wide * 0.86, 0.42), (0.24, 0.66)]
    pen.fill(blob(mirrored(hull)), paints.body, pattern=True)
    nose = [(0.04, -1.0), (wide * 0.5, -0.74), (wide * 0.74, -0.52), (0.05, -0.46)]
    pen.fill(blob(mirrored(nose)), paints.accent)
    pen.fill(ellipse(0, -0.16, 0.22), paints.light)
    pen.fill(ellipse(0, -0.16, 0.14), paints.glass, line=False)
    pen.fill(stroke([(0, 0.3), (0, 0.74)], 0.14), paints.trim)


def teddy(pen, paints, rng):
    ear, belly = rng.uniform(0.19, 0.25), tint(paints.body, 0.5)
    pen.fill([ellipse(-0.42, -0.78, ear), ellipse(0.42, -0.78, ear)], paints.body)
    pen.fill([ellipse(-0.42, -0.78, ear * 0.55), ellipse(0.42, -0.78, ear * 0.55)], belly, line=False)
    lift = rng.uniform(-0.5, 0.5, 2)
    for s, angle in zip((-1, 1), lift, strict=True):
        pen.fill(ellipse(s * 0.62, 0.2 - 0.2 * angle, 0.34, 0.17, s * (0.5 - angle)), paints.body)
    pen.fill(ellipse(0, 0.38, 0.54, 0.54), paints.body, pattern=True)
    pen.fill(ellipse(0, 0.42, 0.3, 0.32), belly, line=False)
    for s in (-1, 1):
        pen.fill(ellipse(s * 0.5, 0.76, 0.28, 0.26), paints.body)
        pen.fill(ellipse(s * 0.52, 0.78, 0.14, 0.14), belly, line=False)
    pen.fill(ellipse(0, -0.4, 0.54, 0.48), paints.body)
    pen.fill(ellipse(0, -0.24, 0.24, 0.19), belly, line=False)
    pen.fill(ellipse(0, -0.32, 0.1, 0.07), INK, line=False)
    pen.fill([ellipse(-0.23, -0.48, 0.075, 0.09), ellipse(0.23, -0.48, 0.075, 0.09)], INK, line=False)
    pen.fill([poly([(0, 0.1), (s * 0.27, -0.04), (s * 0.27, 0.24)], 0.05) for s in (-1, 1)], paints.accent)


def tree(pen, paints, rng):
    pen.fill(poly([(-0.12, 0.1), (0.12, 0.1), (0.2, 0.98), (-0.2, 0.98)], 0.05), (142, 96, 62))
    if rng.random() < 0.5:
        for y, w in ((0.52, 0.82), (0.06, 0.66), (-0.36, 0.5)):
            pen.fill(poly([(0, y - 0.66), (w, y), (w * 0.4, y + 0.08), (-w * 0.4, y + 0.08), (-w, y)], 0.1), paints.body, pattern=True)
        pen.fill(star(0, -0.98, 0.16), (255, 208, 70))
        return
    crown = [ellipse(-0.44, 0.02, 0.42), ellipse(0.44, 0.02, 0.42), ellipse(0, -0.5, 0.5), ellipse(0, -0.02, 0.5)]
    pen.fill(crown, paints.body, pattern=True)
    for x, y in ((-0.46, 0.1), (0.1, -0.62), (0.44, -0.04), (-0.18, -0.26), (0.06, 0.2))[: rng.integers(3, 6)]:
        pen.fill(ellipse(x, y, 0.11), paints.accent)


def umbrella(pen, paints, rng):
    high, drop = rng.uniform(0.8, 0.98), rng.uniform(0.5, 0.66)
    pen.fill(stroke([(0, -high - 0.16), (0, -high)], 0.09), WOOD)
    pen.fill(stroke([(0, -0.2), (0, drop), (0.05, drop + 0.18), (0.2, drop + 0.22), (0.32, drop + 0.12), (0.33, drop)], 0.11), WOOD)
    x = np.linspace(1, -1, 41)[1:-1]
    scallops = np.stack([x, 0.03 - 0.14 * np.abs(np.sin(2 * math.pi * x))], 1)
    pen.fill(np.vstack([dome(0, 0.03, 1, high), scallops]), paints.body, pattern=True)
    for s in (-1, 1):
        arc = [(0, 0.03 - high), (s * 0.44, -high * 0.78), (s * 0.68, -high * 0.35), (s * 0.74, -0.12)]
        pen.fill(stroke(arc, 0.05), tint(paints.body, -0.35), line=False)
    panel = [(0, 0.03 - high), (0.2, -high * 0.7), (0.34, -high * 0.3), (0.36, -0.1), (0.24, -0.14), (0.1, -0.08)]
    pen.fill(poly(mirrored(panel), 0.08), paints.trim, line=False)


def butterfly(pen, paints, rng):
    wide, low = rng.uniform(0.9, 1.05), rng.uniform(0.7, 0.9)
    for s in (-1, 1):
        pen.fill(stroke([(0, -0.5), (s * 0.1, -0.76), (s * 0.3, -0.92)], 0.06), INK, line=False)
        pen.fill(blob([(0, 0.0), (s * 0.5, 0.06), (s * 0.8, 0.4), (s * 0.62, low), (s * 0.24, 0.7)]), paints.trim)
        wing = [(0, 0.1), (s * 0.3, -0.5), (s * 0.74, -0.82), (s * wide, -0.6), (s * 0.84, -0.06), (s * 0.4, 0.14)]
        pen.fill(blob(wing), paints.body, pattern=True)
        pen.fill(ellipse(s * 0.66, -0.44, 0.17), paints.accent)
        pen.fill(ellipse(s * 0.5, 0.46, 0.13), paints.light)
    pen.fill(ellipse(0, 0.06, 0.12, 0.5), INK)
    pen.fill(ellipse(0, -0.48, 0.16), INK)
    pen.fill([ellipse(-0.06, -0.5, 0.045), ellipse(0.06, -0.5, 0.045)], WHITE, line=False)


def cactus(pen, paints, rng):
    left, right = rng.uniform(-0.4, 0.0), rng.uniform(-0.5, -0.1)
    limbs = [
        stroke([(0, -0.62), (0, 0.5)], 0.5),
        stroke([(0, 0.26), (-0.5, 0.22), (-0.66, 0.08), (-0.68, left)], 0.26),
        stroke([(0, 0.1), (0.5, 0.06), (0.66, -0.08), (0.68, right)], 0.26),
    ]
    pen.fill(limbs, paints.body, pattern=True)
    for x, y in ((-0.08, -0.6), (0.1, -0.34), (-0.1, -0.1), (0.08, 0.14), (-0.66, left + 0.1), (0.66, right + 0.1)):
        pen.fill([stroke([(x - 0.05, y - k), (x + 0.05, y + k)], 0.04) for k in (-0.05, 0.05)], WHITE, line=False)
    for a in range(5):
        pen.fill(ellipse(0.12 * math.cos(a * 1.257), -0.88 + 0.12 * math.sin(a * 1.257), 0.1), paints.accent, line=False)
    pen.fill(ellipse(0, -0.88, 0.07), (255, 220, 90), line=False)
    pen.fill(poly([(-0.48, 0.5), (0.48, 0.5), (0.34, 1), (-0.34, 1)], 0.06), paints.trim)
    pen.fill(box(-0.56, 0.4, 0.56, 0.58, 0.05), tint(paints.trim, 0.2))


def guitar(pen, paints, rng):
    waist = rng.uniform(0.3, 0.38)
    pen.fill(box(-0.1, -0.8, 0.1, 0.3, 0.02), WOOD)
    pen.fill(poly([(-0.14, -0.72), (-0.19, -1.06), (0.19, -1.06), (0.14, -0.72)], 0.05), tint(WOOD, -0.4))
    pen.fill([ellipse(x, y, 0.05) for x in (-0.21, 0.21) for y in (-0.98, -0.84)], paints.light)
    half = [(0.14, -0.2), (0.36, -0.16), (0.42, 0.06), (waist, 0.24), (0.54, 0.52), (0.46, 0.88), (0.14, 1.0)]
    pen.fill(blob(mirrored(half)), paints.body, pattern=True)
    pen.fill(ellipse(0, 0.26, 0.2), paints.trim)
    pen.fill(ellipse(0, 0.26, 0.14), INK, line=False)
    pen.fill(box(-0.26, 0.66, 0.26, 0.76, 0.03), tint(WOOD, -0.5))
    pen.fill([stroke([(x, -0.9), (x, 0.7)], 0.022) for x in (-0.05, 0, 0.05)], WHITE, line=False)


def ice_cream(pen, paints, rng):
    lean = rng.uniform(-0.08, 0.08)
    pen.fill(poly([(-0.44, 0.0), (0.44, 0.0), (0.03, 1.08), (-0.03, 1.08)], 0.06), (228, 168, 92))
    for x in (-0.02, 0.17, 0.32):  # waffle lines run along one side of the cone until they meet the other
        t = 0.93 * (x + 0.44) / 0.88
        for s in (-1, 1):
            pen.fill(stroke([(s * x, 0), (s * (x - 0.44 * t), 1.08 * t)], 0.04), (182, 116, 54), line=False)
    pen.fill([ellipse(lean - 0.24, -0.0, 0.34, 0.3), ellipse(lean + 0.26, -0.0, 0.32, 0.3), ellipse(0, 0.04, 0.3, 0.3)], paints.trim)
    pen.fill(ellipse(lean, -0.44, 0.44), paints.body, pattern=True)
    pen.fill(stroke([(lean + 0.12, -0.94), (lean + 0.2, -1.06), (lean + 0.34, -1.1)], 0.05), (90, 130, 70), line=False)
    pen.fill(ellipse(lean + 0.08, -0.84, 0.16), (216, 50, 66))
    for _ in range(5):
        x, y, a = rng.uniform(-0.24, 0.24) + lean, rng.uniform(-0.6, -0.3), rng.uniform(0, 3.14)
        pen.fill(ellipse(x, y, 0.075, 0.03, a), paints.accent, line=False)


def key(pen, paints, rng):
    teeth = rng.integers(2, 4)
    bits = [box(x, 0.06, x + 0.14, rng.uniform(0.3, 0.46), 0.03) for x in np.linspace(0.5, 0.82, teeth)]
    pen.fill([box(-0.2, -0.1, 1.02, 0.12, 0.05), *bits], paints.body)
    if rng.random() < 0.5:
        pen.fill(ring(-0.56, 0.01, 0.34, 0.24), paints.body, pattern=True)
    else:
        petals = [piece for x, y in ((-0.74, -0.24), (-0.74, 0.26), (-0.38, 0.01)) for piece in ring(x, y, 0.22, 0.17)]
        pen.fill(petals, paints.body, pattern=True)
    pen.fill(box(-0.18, -0.17, -0.02, 0.19, 0.05), paints.trim)


def snail(pen, paints, rng):
    eyes = rng.uniform(-0.66, -0.5)
    for x in (0.62, 0.9):
        pen.fill(stroke([(0.74, 0.1), (x - 0.02, -0.2), (x, eyes)], 0.09), paints.trim)
        pen.eye(x, eyes, 0.11)
    head = [(0.2, 0.42), (0.5, 0.06), (0.74, -0.08), (0.98, 0.06), (0.96, 0.36), (0.72, 0.68)]
    foot = [(0.2, 0.76), (-0.5, 0.78), (-1.06, 0.72), (-0.6, 0.44)]
    pen.fill(blob(head + foot), paints.trim)
    pen.fill(ellipse(-0.2, 0.02, 0.62, 0.6), paints.body, pattern=True)
    turns = np.linspace(0.4, 11.2, 15)
    spiral = np.stack([-0.2 + 0.041 * turns * np.cos(turns), 0.02 + 0.041 * turns * np.sin(turns)], 1)
    pen.fill(stroke(spiral, 0.09), tint(paints.body, -0.5), line=False)
    pen.fill(stroke([(0.94, 0.32), (0.84, 0.38), (0.74, 0.34)], 0.05), tint(paints.trim, -0.6), line=False)


def heart(x, y, r):
    """Return a heart as a polygon."""
    return blob(np.array(mirrored([(0, -0.36), (0.4, -0.78), (0.85, -0.62), (0.95, 0.0), (0.06, 0.93)])) * r + (x, y))


def star(x, y, r, corners=5):
    """Return a star as a polygon."""
    angles = np.arange(2 * corners) * math.pi / corners - math.pi / 2
    radii = np.where(np.arange(2 * corners) % 2, 0.5 * r, r)
    return poly(np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1), 0.16 * r)


# Small things that lie around; none of them is a kind.
CLUTTER = (
    lambda: ellipse(0, 0, 1),
    lambda: box(-0.9, -0.9, 0.9, 0.9, 0.25),
    lambda: poly([(0, -1), (1, 0.8), (-1, 0.8)], 0.3),
    lambda: star(0, 0, 1.1),
    lambda: heart(0, 0, 1),
    lambda: ring(0, 0, 0.75, 0.45),
    lambda: [stroke([(-0.9, 0), (0.9, 0)], 0.5), stroke([(0, -0.9), (0, 0.9)], 0.5)],
    lambda: stroke([(-1.3, 0.2), (-0.5, -0.3), (0.4, 0.3), (1.3, -0.2)], 0.4),
)

# name -> how it is drawn, and the body colour it often (not always) has
KINDS = {
    "boat": (boat, "red"),
    "car": (car, "blue"),
    "duck": (duck, "yellow"),
    "fish": (fish, "orange"),
    "house": (house, "cream"),
    "mug": (mug, "teal"),
    "rocket": (rocket, "slate"),
    "teddy": (teddy, "brown"),
    "tree": (tree, "green"),
    "umbrella": (umbrella, "purple"),
    "butterfly": (butterfly, "pink"),
    "cactus": (cactus, "green"),
    "guitar": (guitar, "orange"),
    "ice cream": (ice_cream, "rose"),
    "key": (key, "yellow"),
    "snail": (snail, "brown"),
}
