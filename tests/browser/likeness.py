"""Tell whether a page still looks as it did: small stored pictures, compared so that another machine's fonts and antialiasing pass.

Both pictures are blurred and cut into tiles. A row of tiles may stand a little higher or lower than it did, since a sentence may wrap elsewhere.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

FOLDER = Path(__file__).with_name("pictures")
WIDTH, QUALITY = 320, 60  # pixels of a stored picture, and of its WebP
TILE, SHIFT, BLUR = 16, 8, 1.5  # pixels of it
FAR = 8  # of 255, the mean over a tile: from there on it looks different
MANY = 12  # tiles that may: where a chart is gone there are more, where only letters are drawn otherwise fewer
LONGER = 0.25  # of its length: a page may become so much longer or shorter; what both have is compared


def small(picture):
    """Return a picture at the width of the stored ones. Args: picture: a `PIL.Image`."""
    return picture.convert("RGB").resize((WIDTH, max(TILE, round(picture.height * WIDTH / picture.width))), Image.Resampling.BOX)


def keep(picture, name):
    """Store a picture."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.webp").write_bytes(_packed(small(picture)))


def kept(name):
    """Return a stored picture, or None."""
    file = FOLDER / f"{name}.webp"
    return Image.open(file).convert("RGB") if file.exists() else None


def unlike(picture, reference):
    """Say in what a picture differs from a stored one.

    Args: picture: of any width; reference: as `kept`. Returns: a sentence, or None where they look alike.
    """
    picture = Image.open(io.BytesIO(_packed(small(picture)))).convert("RGB")  # as the stored one was: small grey letters on black lose most of it
    if abs(picture.height - reference.height) > LONGER * reference.height:
        return f"the page is {picture.height} pixels long at a width of {WIDTH}, and was {reference.height}"
    new, old = (np.asarray(p.filter(ImageFilter.GaussianBlur(BLUR)), float) for p in (picture, reference))
    found = []
    for top in range(0, len(old) - TILE + 1, TILE):
        row = old[top : top + TILE]
        moved = [_tiles(np.abs(new[top + s : top + s + TILE] - row)) for s in range(-SHIFT, SHIFT + 1) if 0 <= top + s <= len(new) - TILE]
        if not moved:
            continue
        nearest = min(moved, key=np.sum)
        found += [(top, k * TILE) for k in np.flatnonzero(nearest > FAR)]
    if len(found) <= MANY:
        return None
    places = ", ".join(f"{x},{y}" for y, x in found[:6])
    return f"{len(found)} tiles look different, at x,y {places}"


def _packed(picture):
    """Return a picture as the bytes of a WebP file."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def _tiles(strip):
    """Average a (TILE, W, 3) strip over each of its tiles: (W / TILE,)."""
    return strip.reshape(TILE, -1, TILE, 3).mean((0, 2, 3))
