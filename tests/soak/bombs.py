"""Pictures made to harm whoever opens them: (what it is, bytes) each, the same ones from the same seed."""

import io
import random
import struct
import zlib
from itertools import count

import numpy as np
from PIL import Image

TRUNCATIONS, FLIPS = 50, 300  # of one good file
SCRIPT = b"*/=1;alert(document.cookie);/*"
PAGE = b"<!doctype html><script>alert(1)</script>"


def good(format="PNG", *, side=24, **options):
    """Return a small picture in which no two corners are alike."""
    y, x = np.mgrid[:side, :side]
    pixels = np.stack([x * 255 // side, y * 255 // side, 255 - x * 255 // side], axis=-1).astype(np.uint8)
    return _encoded(Image.fromarray(pixels), format, **options)


def pictures(seed=0):
    """Yield hostile pictures without end: those made by hand once, then damaged good ones."""
    for name, make in MADE.items():
        yield name, make()
    formats = [good("PNG"), good("JPEG"), good("GIF"), good("WEBP"), good("BMP"), good("TIFF"), good("TIFF", compression="tiff_lzw"), _exif_jpeg(good_exif())]
    for number in count(seed):
        draw = random.Random(number)
        data = formats[number % len(formats)]
        for place in range(TRUNCATIONS):
            yield "cut off", data[: len(data) * place // TRUNCATIONS]
        for place in (draw.randrange(len(data)) for _ in range(FLIPS)):
            yield "one byte changed", data[:place] + bytes([data[place] ^ draw.randrange(1, 256)]) + data[place + 1 :]
        for _ in range(TRUNCATIONS):
            yield "many bytes changed", _shaken(data, draw)


def _shaken(data, draw):
    """Return a file after some bytes were changed, some left out and some said twice."""
    data = bytearray(data)
    for _ in range(draw.randrange(1, 12)):
        at, length = draw.randrange(len(data)), draw.choice((1, 2, 4, 16))
        data[at : at + length] = draw.choice((draw.randbytes(length), b"", bytes(data[at : at + length]) * 2, b"\xff" * length, b"\0" * length))
        data = data or bytearray(1)
    return bytes(data)


def _encoded(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png(width, height, *chunks, kind=2, bits=8, data=None):
    """Return a PNG. Args: chunks: (name, content) before the pixels; data: compressed pixels, by default none."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"") if data is None else data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _zeros(length):
    """Return `length` zero bytes compressed, without ever holding them."""
    packer, part = zlib.compressobj(1), bytes(2**20)
    packed = [packer.compress(part) for _ in range(length // len(part))] + [packer.compress(bytes(length % len(part))), packer.flush()]
    return b"".join(packed)


def _pixels(side, bits=8):
    """Return a whole PNG of side x side white or black pixels: small on disk, large in memory."""
    return png(side, side, kind=0, bits=bits, data=_zeros(side * (side * bits // 8 + 1)))


def _gif(frames=10_000):
    data = _two_frames("GIF")
    frame = data[data.rfind(b"\x21\xf9\x04") : -1]
    return data[:-1] + frame * (frames - 2) + b";"


def _webp(frames=10_000):
    data = _two_frames("WEBP")
    body = data[8:] + data[data.rfind(b"ANMF") :] * (frames - 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _two_frames(format):
    first, second = Image.new("RGB", (8, 8), "white"), Image.new("RGB", (8, 8), "black")
    return _encoded(first, format, save_all=True, append_images=[second])


def _apng(frames=10_000, side=8):
    """Return an animated PNG whose frames are all the same few bytes."""
    rows = zlib.compress((b"\0" + bytes(side)) * side)
    chunks = [(b"acTL", struct.pack(">II", frames, 0))]
    for number in range(frames):
        chunks.append((b"fcTL", struct.pack(">IIIIIHHBB", 2 * number, side, side, 0, 0, 1, 100, 0, 0)))
        chunks.append((b"fdAT", struct.pack(">I", 2 * number + 1) + rows))
    return png(side, side, *chunks, kind=0, data=rows)


def _text(kind, length=100 * 2**20):
    packed = _zeros(length)
    return png(1, 1, (kind, {b"iCCP": b"p\0\0", b"zTXt": b"p\0\0", b"iTXt": b"p\0\1\0\0\0"}[kind] + packed), data=zlib.compress(b"\0abc"))


def _texts(number=60, length=900_000):
    """Return a PNG with many texts, each just below what one may unpack to."""
    return png(1, 1, *((b"zTXt", b"p%d\0\0" % i + _zeros(length)) for i in range(number)), data=zlib.compress(b"\0abc"))


def good_exif(orientation=6):
    return _ifd([(0x0112, 3, 1, orientation)])


def _ifd(entries, following=0, *, order="<"):
    """Return a TIFF of one directory. Args: entries: (tag, type, count, value); following: where the next directory is said to be."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    return mark + struct.pack(f"{order}I", 8) + struct.pack(f"{order}H", len(entries)) + body + struct.pack(f"{order}I", following)


def _exif_jpeg(exif):
    data, block = good("JPEG"), b"Exif\0\0" + exif
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def _exif_png(exif):
    return png(1, 1, (b"eXIf", exif), data=zlib.compress(b"\0abc"))


def _nested_ifds(depth=2000):
    """Return a TIFF whose directories each lie in the one before, as EXIF in EXIF."""
    parts = [b"II*\0" + struct.pack("<I", 8)]
    for level in range(depth):
        parts.append(struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8 + 18 * (level + 1), 0))
    return b"".join(parts)


def _chained_ifds(number=20_000):
    """Return a TIFF of pages without a picture, each pointing to the next."""
    return b"II*\0" + struct.pack("<I", 8) + b"".join(struct.pack("<HHHIII", 1, 0x0100, 4, 1, 1, 8 + 18 * (n + 1)) for n in range(number))


def _tiff(**changed):
    """Return a TIFF of one grey picture of 8 x 8. Args: changed: values of tags, by name, instead of the right ones, or (count, value); None leaves one out."""
    tags = {"width": 0x100, "height": 0x101, "bits": 0x102, "compression": 0x103, "photometric": 0x106, "strips": 0x111, "samples": 0x115, "rows": 0x116}
    tags |= {"lengths": 0x117, "tile_width": 0x142, "tile_height": 0x143, "tiles": 0x144, "tile_lengths": 0x145, "sub": 0x14A, "exif": 0x8769}
    values = {"width": 8, "height": 8, "bits": 8, "compression": 1, "photometric": 1, "strips": 200, "samples": 1, "rows": 8, "lengths": 64} | changed
    following = values.pop("following", 0)
    values = sorted(((tags[name], value) for name, value in values.items() if value is not None), key=lambda pair: pair[0])
    entries = [(tag, 4, *(value if isinstance(value, tuple) else (1, value))) for tag, value in values]
    data = _ifd(entries, following)
    return data.ljust(200, b"\0") + bytes(range(64))


def _scans(number):
    """Return a progressive JPEG that says one of its scans again and again."""
    data = good("JPEG", side=512, progressive=True)
    start = data.rfind(b"\xff\xda")
    return data[:start] + data[start:-2] * number + b"\xff\xd9"


def _wide(format, side=65_500):
    return _encoded(Image.new("L", (side, 1)), format)


TILED = {"strips": None, "lengths": None, "rows": None}
MADE = {
    "no bytes": lambda: b"",
    "one byte": lambda: b"\xff",
    "20,000 x 20,000 pixels": lambda: _pixels(20_000),
    "20,000 x 20,000 pixels of one bit": lambda: _pixels(20_000, bits=1),
    "2,147,483,647 x 2,147,483,647 pixels, declared": lambda: png(2**31 - 1, 2**31 - 1),
    "0 x 0 pixels": lambda: png(0, 0),
    "7,900 x 7,900 pixels, just allowed": lambda: _pixels(7_900),
    "33 MB": lambda: good() + bytes(33 * 2**20),
    "a side of 65,500": lambda: _wide("JPEG"),
    "GIF of 10,000 frames": _gif,
    "WebP of 10,000 frames": _webp,
    "APNG of 10,000 frames": _apng,
    "APNG that declares 4,294,967,295 frames": lambda: png(1, 1, (b"acTL", struct.pack(">II", 2**32 - 1, 0)), data=zlib.compress(b"\0abc")),
    "ICC profile of 100 MB": lambda: _text(b"iCCP"),
    "text of 100 MB": lambda: _text(b"zTXt"),
    "international text of 100 MB": lambda: _text(b"iTXt"),
    "60 texts of 0.9 MB": _texts,
    "EXIF of 65,535 orientations": lambda: _exif_png(_ifd([(0x0112, 3, 1, 6)] * 65_535)),
    "EXIF that claims 4 GB": lambda: _exif_jpeg(_ifd([(0x010E, 2, 2**32 - 1, 26), (0x0112, 3, 1, 6)])),
    "EXIF within EXIF, 2,000 deep": lambda: _exif_png(_nested_ifds()),
    "EXIF that lies in itself": lambda: _exif_jpeg(_ifd([(0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8)], 8)),
    "TIFF directory that follows itself": lambda: _tiff(following=8),
    "TIFF of 20,000 empty pages": _chained_ifds,
    "TIFF directories, 2,000 deep": _nested_ifds,
    "TIFF that lies in itself": lambda: _tiff(sub=8, exif=8),
    "TIFF tiles without end": lambda: _tiff(**TILED, tile_width=1, tile_height=1, tiles=(2**32 - 1, 8), tile_lengths=(2**32 - 1, 8)),
    "TIFF tile of 4,294,967,295 pixels": lambda: _tiff(**TILED, tile_width=2**32 - 1, tile_height=2**32 - 1, tiles=200, tile_lengths=64),
    "TIFF of one row a strip, all strips the same": lambda: _tiff(rows=1, height=2**16, strips=(2**16, 200), lengths=(2**16, 200)),
    "TIFF that claims 4,294,967,295 samples": lambda: _tiff(samples=2**32 - 1),
    "TIFF of 10,000 x 10,000 pixels in 264 bytes": lambda: _tiff(width=10_000, height=10_000, rows=10_000, compression=32773),
    "JPEG of 60 scans": lambda: _scans(50),
    "JPEG of 5,000 scans": lambda: _scans(5_000),
    "JPEG of 500 EXIF blocks": lambda: _exif_jpeg(good_exif())[:2] + _exif_jpeg(good_exif())[2:66] * 500 + good("JPEG")[2:],
    "GIF and JavaScript": lambda: b"GIF89a" + struct.pack("<HH", 10_799, 1) + SCRIPT,
    "whole GIF and JavaScript": lambda: good("GIF", comment=SCRIPT) + SCRIPT,
    "PNG and ZIP": lambda: good() + b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18),
    "JPEG and HTML": lambda: good("JPEG", comment=PAGE) + PAGE,
    "PDF and JPEG": lambda: b"%PDF-1.4\n1 0 obj\nstream\n" + good("JPEG") + b"\nendstream\nendobj\n%%EOF",
    "HTML that begins as BMP": lambda: b"BM" + PAGE.ljust(64),
    "SVG with a script": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "XML that names itself a billion times": lambda: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "&b;&b;">]><svg>&a;</svg>',
}
