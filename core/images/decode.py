"""Decode whatever a person drops in into one RGB picture, or say in a sentence why not.

Reads JPEG (with the MPO that phones write), PNG, WebP, GIF, BMP, TIFF and AVIF through Pillow; no other parser ever sees
the bytes. The size in the header is checked before a pixel is decoded. Pillow's global settings stay as they are.
Its warnings and logs are kept off stderr; libtiff, in C, still writes a line there about a damaged TIFF.

ICC profiles are ignored: networks are trained on pictures read that way, and a profile is one more hostile format to
parse. CMYK therefore turns into RGB by the plain formula, and a wide-gamut picture looks slightly paler.
"""

import io
import logging
import os
import re
import stat
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.errors import InputError


@dataclass(frozen=True)
class Limits:
    """What a picture may cost. The defaults pass a current phone's 50-megapixel picture."""

    bytes: int = 32 * 2**20
    pixels: int = 64_000_000
    side: int = 30_000
    repeats: int = 64  # scans, or EXIF blocks, in one JPEG: either makes a small file slow; three pictures in one MPO have ~36 scans


# What the first bytes say. A picture's pattern is its format's name in Pillow; each pattern is matched at the start.
PICTURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF.{4}WEBP",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM.{10}\0\0",  # the pixels begin within the first 64 KiB
    "TIFF": rb"II[\x2a\x2b]\0(?!.{4}CR)|MM\0[\x2a\x2b]",
    "AVIF": rb".{4}ftyp(avi[fs]|(mif1|msf1).{0,40}?avi[fs])",
}
UNREAD = {  # pictures in formats that are not read: kind -> (pattern, the kind in a sentence)
    "pdf": (rb"%PDF-", "a PDF document"),
    "svg": (rb"(?i)\s*<svg\b|\s*<(\?xml|!--|!doctype svg).{0,2000}?<svg\b", "an SVG drawing"),
    "heic": (rb".{4}ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", "a HEIC picture, as iPhones take them"),
    "raw": (rb"II\x2a\0.{4}CR|.{4}ftypcrx |FUJIFILMCCD-RAW|IIRO|IIU\0", "a camera's raw file"),
    "psd": (rb"8BPS", "a Photoshop document"),
    "eps": (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    "jpeg2000": (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    "jxl": (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture"),
    "icon": (rb"\0\0[\x01\x02]\0[^\0]", "an icon or a cursor"),
    "pnm": (rb"P[1-7F]\s", "a PNM picture"),
    "texture": (rb"DDS |BLP[12]", "a game texture"),
}
OTHERS = {  # what is no picture, likewise
    "git_lfs": (rb"version https://git-lfs", "a Git LFS pointer ('git lfs pull' gets what it stands for)"),
    "html": (rb"(?i)\s*<(!doctype html|html\b)", "a web page"),
    "xml": (rb"\s*<\?xml", "an XML file"),
    "video": (rb".{4}(ftyp|moov|mdat)|\x1aE\xdf\xa3|RIFF.{4}AVI ", "a video"),
    "audio": (rb"ID3|OggS|fLaC|RIFF.{4}WAVE", "a sound file"),
    "zip": (rb"PK(\x03\x04|\x05\x06)", "a ZIP archive or an office document"),
    "archive": (rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ", "a packed archive"),
    "numpy": (rb"\x93NUMPY", "a NumPy array"),
    "hdf5": (rb"\x89HDF\r\n", "an HDF5 file"),
    "text": (rb"\xff\xfe|\xfe\xff|[\t\n\f\r\x1b\x20-\x7e\x80-\xff]+\Z", "a text file"),  # no control characters, any encoding
}
UPRIGHT = {  # EXIF orientation -> what brings the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION = 0x0112
SCAN = re.compile(rb"\xff\xda\0(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")  # start of scan: length and components agree
QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # an entry of warnings.filters

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else logging's last resort prints on stderr


def decode(data, *, limits=Limits(), near=None):
    """Turn the bytes of a picture, or the file at a path, into an upright RGB picture.

    The first frame of an animation or of several pages is taken. Transparency goes over white. 16-bit grey keeps its
    upper eight bits; 32-bit integers and floats are stretched from their smallest to their largest finite value
    (NaN becomes black). Metadata is dropped, so that nobody turns the picture a second time.

    Args:
        data: bytes, bytearray or memoryview; or a path (str or os.PathLike).
        limits: what the picture may cost.
        near: the short side in pixels that is needed. A large JPEG is then decoded at 1/2, 1/4 or 1/8 of its size, its
            short side never below 2 * near; other formats and None give every pixel.
    Returns: a PIL.Image.Image of mode "RGB" that owns its pixels; no file stays open.
    Raises: InputError whose key starts with "picture.", for whatever is wrong with the file; ValueError if near < 1.
    """
    if near is not None and near < 1:
        raise ValueError(f"near is the short side in pixels and at least 1, not {near}.")
    data = _bytes(data, limits)
    format = _format(data)
    # Threads share the warning filters, and catch_warnings is not safe among them: one lasting filter, set once, is.
    if QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        return _parse(data, format, limits, near)
    except InputError:
        raise
    except Image.DecompressionBombError as error:  # Pillow's own limit, hit before the header's size could be asked for
        raise _too_many_pixels(limits) from error
    except Exception as error:
        # A parser over hostile bytes raises nearly anything (OSError, SyntaxError, struct.error, KeyError, MemoryError,
        # ...) and all of it means the same to the person. This is the one place where catching everything is right.
        raise InputError(
            f"This {format} picture is damaged, cut off or of a rare kind, and cannot be read whole; "
            "get it once more, or open it in another program and save it as PNG.",
            key="picture.damaged",
            format=format,
        ) from error


def _bytes(data, limits):
    """Return the content as bytes, having checked its length before a byte is read or copied."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        _check_length(memoryview(data).nbytes, limits)
        return bytes(data)
    path = os.fspath(data)
    name = os.path.basename(path) or path
    name = name if len(name) <= 60 else f"{name[:30]}...{name[-27:]}"
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"The path {name!r} is a folder; choose one picture in it.", key="picture.folder", name=name)
        if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device might never end
            raise OSError("not a regular file")
        _check_length(found.st_size, limits)
        with open(path, "rb") as file:
            data = file.read(limits.bytes + 1)  # the file may have grown meanwhile
    except InputError:
        raise
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL in the name
        message = f"There is no file {name!r} at that place; check the path and its spelling."
        raise InputError(message, key="picture.missing", name=name) from error
    except OSError as error:
        message = f"The file {name!r} cannot be opened; check that you may read it, or choose a copy of it."
        raise InputError(message, key="picture.unreadable", name=name) from error
    _check_length(len(data), limits)
    return data


def _check_length(length, limits):
    if length == 0:
        raise InputError("This file is empty (0 bytes); get the picture once more.", key="picture.empty")
    if length > limits.bytes:
        size, limit = (float(f"{n / 2**20:.3g}") for n in (length, limits.bytes))
        raise InputError(
            f"This file has {size:g} MB and at most {limit:g} MB are read here; save the picture smaller or as JPEG.",
            key="picture.too_many_bytes",
            size=size,
            limit=limit,
        )


def _format(data):
    """Return Pillow's name of the format, or raise the InputError that names what the file is instead."""
    head = data[:4096]
    for format, pattern in PICTURES.items():
        if re.match(pattern, head, re.DOTALL):
            return format
    start = head.removeprefix(b"\xef\xbb\xbf")  # the mark that some editors put before UTF-8
    for table, key, rest in (
        (UNREAD, "picture.other_format", "a format that is not read here; save it as PNG or JPEG and choose that"),
        (OTHERS, "picture.other_kind", "not a picture; choose a picture, for example a PNG or a JPEG"),
    ):
        for kind, (pattern, words) in table.items():
            if re.match(pattern, start, re.DOTALL):
                raise InputError(f"This is {words}, {rest}.", key=key, kind=kind, words=words)
    raise InputError(
        "This file is not a picture in a format that is read here (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF); save it as PNG or JPEG.",
        key="picture.not_a_picture",
    )


def _parse(data, format, limits, near):
    """Decode bytes that begin as `format` does; raises InputError about the size, and anything at all on damage."""
    if format == "JPEG" and max(len(SCAN.findall(data)), data.count(b"Exif\0\0")) > limits.repeats:
        raise ValueError("too many scans or EXIF blocks")
    with Image.open(io.BytesIO(data), formats=[format]) as image:
        width, height = image.size
        if max(width, height) > limits.side:
            raise InputError(
                f"This picture has {width} x {height} pixels and a side may have at most {limits.side}; cut it into shorter parts.",
                key="picture.too_long",
                width=width,
                height=height,
                limit=limits.side,
            )
        if width * height > limits.pixels:
            raise _too_many_pixels(limits)
        if width < 1 or height < 1:
            raise ValueError("no pixels")
        if near is not None and format == "JPEG":
            image.draft(None, (2 * near, 2 * near))
        image.load()
        picture = _rgb(image)
        upright = UPRIGHT.get(_orientation(image))
    del image  # frees the decoder and its buffers before the turned copy is made
    if upright is not None:
        picture = picture.transpose(upright)
    picture.info = {}
    return picture


def _too_many_pixels(limits):
    limit = min(limits.pixels, 2 * (Image.MAX_IMAGE_PIXELS or limits.pixels)) / 1e6
    return InputError(
        f"This picture has more than {limit:g} megapixels, the most that is read here; save it smaller and try again.",
        key="picture.too_many_pixels",
        limit=limit,
    )


def _orientation(image):
    """Return the EXIF orientation; 1 where there is none or the metadata is damaged, as the picture itself may be whole."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # again a parser over hostile bytes, and metadata is no reason to refuse a picture
        return 1


def _rgb(image):
    """Return a new RGB picture of any mode that Pillow decodes to."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey(image).convert("RGB")
    if image.mode in ("La", "RGBa"):  # colours multiplied by alpha; only this step knows how to undo it
        image = image.convert(image.mode.upper())
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode != "RGBA":  # else convert copies
        image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white


def _grey(image, rows=256):
    """Return a picture of more than eight bits a pixel as mode "L", a few rows at a time to keep memory small."""
    width, height = image.size
    boxes = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    values = (np.asarray(image.crop(box)) for box in boxes)
    if image.mode.startswith("I;16"):
        clear = image.info.get("transparency", -1)
        greys = (np.where(part == clear, 255, part >> 8) for part in values)
    else:
        low, high = np.inf, -np.inf
        for part in values:
            finite = part[np.isfinite(part)]
            if finite.size:
                low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        low, high = (low, high) if low < high else (0.0, 1.0)
        values = (np.asarray(image.crop(box), dtype=np.float64) for box in boxes)
        greys = (np.nan_to_num(np.clip((part - low) / (high - low) * 255, 0, 255)) for part in values)
    grey = Image.new("L", image.size)
    for box, part in zip(boxes, greys, strict=True):
        grey.paste(Image.fromarray(part.astype(np.uint8)), box)
    return grey
