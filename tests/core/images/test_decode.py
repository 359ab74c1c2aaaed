"""Tests of the picture decoder: what comes out, and what is said when nothing can."""

import csv
import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, features

from core.errors import InputError
from core.images.decode import ORIENTATION, Limits, decode

ROOT = Path(__file__).parents[3]
CORPUS = Path(os.environ.get("BLOCKSCOPE_DATA", ROOT.parent / "shared" / "data")) / "bad_images"
FORMATS = [
    "JPEG",
    "MPO",
    "PNG",
    "WEBP",
    "GIF",
    "BMP",
    "TIFF",
    pytest.param("AVIF", marks=pytest.mark.skipif(not features.check("avif"), reason="this Pillow is built without AVIF")),
]


def smooth(width=24, height=16):
    """Return a picture whose every corner differs, and which lossy formats keep nearly as it is."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, 255 - x * 255 // width], axis=-1).astype(np.uint8))


def encode(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def pixels(image):
    return np.asarray(image).astype(int)


def refused(data, **options):
    """Return the InputError that decoding raises, once its sentence is seen to be one."""
    with pytest.raises(InputError) as caught:
        decode(data, **options)
    error = caught.value
    message = str(error)
    assert error.key.startswith("picture.") and message.endswith(".") and message[0].isupper() and len(message) <= 200
    return error


def png_header(width, height):
    """Return a PNG of a few dozen bytes that declares any size."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_comes_back_as_rgb(format, tmp_path):
    image = smooth()
    options = {"quality": 95} if format in ("JPEG", "MPO", "WEBP", "AVIF") else {}
    data = encode(image, format, **options)
    wrong_name = tmp_path / "picture.txt"  # the content counts, not the name
    wrong_name.write_bytes(data)
    for given_as in (data, bytearray(data), memoryview(data), wrong_name, str(wrong_name)):
        picture = decode(given_as)
        assert type(picture) is Image.Image and picture.mode == "RGB" and picture.size == image.size and picture.info == {}
        tolerance = {"PNG": 0, "BMP": 0, "TIFF": 0}.get(format, 25)
        assert np.abs(pixels(picture) - pixels(image)).max() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_all_orientations_come_upright(format, orientation):
    scene = pixels(smooth())
    stored = {  # what a camera stores so that a viewer who follows the tag sees the scene; said in numpy, not in Pillow
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.swapaxes(0, 1),
        6: scene.swapaxes(0, 1)[::-1],
        7: scene.swapaxes(0, 1)[::-1, ::-1],
        8: scene.swapaxes(0, 1)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    data = encode(Image.fromarray(stored.astype(np.uint8)), format, exif=exif, **options)
    assert np.array_equal(pixels(decode(data)), scene)


def test_damaged_exif_does_not_refuse_the_picture():
    image = smooth()
    assert np.array_equal(pixels(decode(encode(image, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))), pixels(image))


@pytest.mark.parametrize(
    "mode, colour, expected",
    [
        ("RGBA", (200, 0, 100, 0), (255, 255, 255)),
        ("RGBA", (200, 0, 100, 255), (200, 0, 100)),
        ("RGBA", (200, 0, 100, 51), (244, 204, 224)),  # 0.2 * colour + 0.8 * 255
        ("LA", (100, 51), (224, 224, 224)),
    ],
)
def test_alpha_goes_over_white(mode, colour, expected):
    picture = decode(encode(Image.new(mode, (3, 2), colour), "PNG"))
    assert np.abs(pixels(picture) - expected).max() <= 1


def test_alpha_multiplied_into_the_colours_is_undone():
    data = encode(Image.new("RGBA", (4, 4), (100, 50, 0, 128)), "TIFF")
    tag, plain, multiplied = struct.pack("<HHI", 338, 3, 1), b"\2\0", b"\1\0"  # ExtraSamples: what the fourth sample is
    assert tag + plain in data
    picture = decode(data.replace(tag + plain, tag + multiplied))
    assert np.abs(pixels(picture) - (227, 177, 127)).max() <= 2  # (200, 100, 0) half over white


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_transparent_palette_entry_becomes_white(format):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50] + [0] * 762)
    image.putdata([0, 1])
    picture = decode(encode(image, format, transparency=0))
    assert pixels(picture).tolist() == [[[255, 255, 255], [200, 100, 50]]]


@pytest.mark.parametrize("mode, clear, shade", [("L", 7, 7), ("RGB", (1, 2, 3), (1, 2, 3)), ("1", 0, 0)])
def test_transparent_colour_becomes_white(mode, clear, shade):
    picture = decode(encode(Image.new(mode, (2, 2), shade), "PNG", transparency=clear))
    assert pixels(picture).min() == 255


def test_transparent_16_bit_grey_becomes_white():
    data = encode(Image.fromarray(np.array([[1000, 1001]], np.uint16)), "PNG")
    data = data[:33] + struct.pack(">I4sHI", 2, b"tRNS", 1000, zlib.crc32(b"tRNS" + struct.pack(">H", 1000))) + data[33:]
    assert pixels(decode(data))[0, :, 0].tolist() == [255, 3]


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_upper_bits(format):
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    picture = decode(encode(Image.fromarray(values), format))
    assert pixels(picture)[0].tolist() == [[v] * 3 for v in (0, 0, 1, 128, 255)]


def test_floats_are_stretched_and_survive_nan_and_infinity():
    values = np.array([[-1.0, 0.0, 1.0, np.nan, np.inf, -np.inf]], np.float32)
    assert pixels(decode(encode(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == [0, 127, 255, 0, 255, 0]


@pytest.mark.parametrize("values", [[[np.nan, np.nan]], [[5.0, 5.0]], [[-3e38, 3e38]], [[np.inf, -np.inf]]])
def test_extreme_floats_give_no_warning(values):
    data = encode(Image.fromarray(np.array(values, np.float32)), "TIFF")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(data).size == (2, 1)


def test_32_bit_integers_are_stretched():
    values = np.array([[-(2**31), 0, 2**31 - 1]], np.int32)
    assert pixels(decode(encode(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == [0, 127, 255]


def test_tall_grey_picture_is_put_together_from_its_strips():
    values = np.arange(700 * 3, dtype=np.uint16).reshape(700, 3) * 31
    assert np.array_equal(pixels(decode(encode(Image.fromarray(values), "PNG")))[..., 0], values >> 8)


@pytest.mark.parametrize(
    "mode, colour, format, expected",
    [
        ("CMYK", (0, 255, 255, 0), "JPEG", (255, 0, 0)),  # JPEG stores it inverted, as Adobe does
        ("CMYK", (0, 255, 255, 0), "TIFF", (255, 0, 0)),
        ("YCbCr", (76, 85, 255), "TIFF", (255, 0, 0)),
        ("LAB", (255, 128, 128), "TIFF", (255, 255, 255)),
        ("L", 76, "JPEG", (76, 76, 76)),
        ("1", 1, "BMP", (255, 255, 255)),
        ("1", 0, "TIFF", (0, 0, 0)),
    ],
)
def test_colour_spaces(mode, colour, format, expected):
    picture = decode(encode(Image.new(mode, (8, 8), colour), format))
    assert np.abs(pixels(picture) - expected).max() <= 3


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_first_frame_is_taken(format):
    first, second = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    picture = decode(encode(first, format, save_all=True, append_images=[second]))
    assert np.abs(pixels(picture) - (255, 0, 0)).max() <= 6


def test_near_decodes_a_jpeg_small_but_never_too_small():
    data = encode(smooth(960, 640), "JPEG", quality=95)
    assert decode(data).size == (960, 640)
    for near, size in ((400, (960, 640)), (160, (480, 320)), (80, (240, 160)), (1, (120, 80))):
        picture = decode(data, near=near)
        assert picture.size == size
        assert np.abs(pixels(picture) - pixels(smooth(960, 640).resize(size, Image.Resampling.BOX))).max() <= 12
    assert decode(encode(smooth(960, 640), "PNG"), near=32).size == (960, 640)
    with pytest.raises(ValueError, match="at least 1"):
        decode(data, near=0)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "WEBP", "TIFF"])
def test_half_a_picture_is_an_error(format):
    data = encode(smooth(64, 64), format)
    error = refused(data[: len(data) // 2])
    assert error.key == "picture.damaged" and error.values == {"format": format}
    assert "damaged" in str(error) and format in str(error) and error.__cause__ is not None


def test_wrong_places(tmp_path):
    missing = refused(tmp_path / "nowhere.png")
    assert missing.key == "picture.missing" and "'nowhere.png'" in str(missing) and missing.values == {"name": "nowhere.png"}
    assert refused(str(tmp_path / "a\0b.png")).key == "picture.missing"
    assert refused(tmp_path).key == "picture.folder"
    assert refused("x" * 5000).key == "picture.unreadable"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert refused(tmp_path / "pipe.png").key == "picture.unreadable"
    locked = tmp_path / "locked.png"
    locked.write_bytes(encode(smooth(), "PNG"))
    locked.chmod(0)
    if not os.access(locked, os.R_OK):  # root may read everything
        assert refused(locked).key == "picture.unreadable"


def test_empty_and_unknown_content(tmp_path):
    empty = tmp_path / "empty.png"
    empty.touch()
    assert refused(empty).key == refused(b"").key == "picture.empty"
    error = refused(bytes(range(256)) * 4)
    assert error.key == "picture.not_a_picture" and "PNG" in str(error)


@pytest.mark.parametrize(
    "data, key, kind",
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "picture.other_format", "pdf"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="x"/>', "picture.other_format", "svg"),
        (b"\xef\xbb\xbf<SVG>", "picture.other_format", "svg"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "picture.other_format", "heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "picture.other_format", "heic"),
        (b"II*\0\x10\0\0\0CR\x02\0", "picture.other_format", "raw"),
        (b"8BPS\0\x01\0\0", "picture.other_format", "psd"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "picture.other_format", "eps"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", "picture.other_kind", "video"),
        (b"PK\x03\x04\x14\0", "picture.other_kind", "zip"),
        (b"\x93NUMPY\x01\0v\0", "picture.other_kind", "numpy"),
        (b"<!DOCTYPE html><html>", "picture.other_kind", "html"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "picture.other_kind", "git_lfs"),
        (b"name,what\n1,2\n", "picture.other_kind", "text"),
        ("그림이 아님".encode(), "picture.other_kind", "text"),
        ("그림이 아님".encode("cp949"), "picture.other_kind", "text"),
        ("text".encode("utf-16"), "picture.other_kind", "text"),
        (b"BMW is a text that begins as a BMP does, and goes on for a while.", "picture.other_kind", "text"),
    ],
)
def test_known_other_things_are_named(data, key, kind):
    error = refused(data)
    assert error.key == key and error.values["kind"] == kind and error.values["words"] in str(error)


def test_too_many_bytes(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(encode(smooth(), "PNG", compress_level=0))
    limits = Limits(bytes=1024)
    for data in (path, path.read_bytes(), memoryview(path.read_bytes()).cast("B")):
        error = refused(data, limits=limits)
        assert error.key == "picture.too_many_bytes" and set(error.values) == {"size", "limit"}
    error = refused(bytes(40 * 2**20))
    assert error.values == {"size": 40.0, "limit": 32.0} and "has 40 MB and at most 32 MB" in str(error)


def test_too_many_pixels_are_refused_by_the_header():
    for width, height in ((9000, 9000), (12000, 12000), (20000, 20000)):  # Pillow is silent, warns, raises
        error = refused(png_header(width, height))
        assert error.key == "picture.too_many_pixels" and error.values == {"limit": 64.0} and "64 megapixels" in str(error)
    error = refused(png_header(40000, 1))
    assert error.key == "picture.too_long" and error.values == {"width": 40000, "height": 1, "limit": 30000}
    assert refused(png_header(0, 5)).key == "picture.damaged"
    assert refused(encode(smooth(), "PNG"), limits=Limits(pixels=100)).values == {"limit": 0.0001}
    assert decode(encode(Image.new("L", (30000, 1)), "PNG")).size == (30000, 1)


def test_repeated_parts_of_a_jpeg_are_refused():
    data = encode(smooth(), "JPEG")
    block = b"\xff\xe1\0\x0aExif\0\0ab"
    assert decode(data[:2] + block * 3 + data[2:]).size == (24, 16)
    assert refused(data[:2] + block * 100 + data[2:]).key == "picture.damaged"
    scan = data[data.index(b"\xff\xda") : -2]
    assert refused(data[:-2] + scan * 100 + data[-2:]).key == "picture.damaged"


def test_text_bomb_in_a_png_is_refused():
    content = b"note\0\0" + zlib.compress(bytes(2**21))
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    data = encode(smooth(), "PNG")
    assert refused(data[:33] + chunk + data[33:]).key == "picture.damaged"


def test_global_settings_stay_and_threads_agree():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    files = [encode(smooth(), format) for format in ("PNG", "JPEG", "GIF", "TIFF")] + [png_header(20000, 20000), b"text", b"\xff\xd8\xff"]
    expected = [outcome(data) for data in files]
    found = []
    threads = [threading.Thread(target=lambda: found.append([outcome(data) for data in files * 5])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected * 5] * 8
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == before
    assert sum(str(entry[3]) == "re.compile('PIL\\\\.')" for entry in warnings.filters) <= 1


def outcome(data):
    """Return what decoding gives in a comparable form; anything but a picture or an InputError is raised."""
    try:
        picture = decode(data)
    except InputError as error:
        message = str(error)
        assert error.key.startswith("picture.") and message.endswith(".") and len(message) <= 200
        return error.key
    assert type(picture) is Image.Image and picture.mode == "RGB" and min(picture.size) >= 1
    return picture.tobytes()


def test_nothing_reaches_stderr():
    lines = "import sys; from core.images.decode import decode\ntry: decode(sys.stdin.buffer.read())\nexcept ValueError: pass"
    exif = encode(smooth(), "PNG", exif=b"Exif\0\0II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\xff\0\0\0\xff\0\0\0")
    for data in (png_header(12000, 12000), png_header(20000, 20000), exif):
        done = subprocess.run([sys.executable, "-c", lines], input=data, capture_output=True, cwd=ROOT, timeout=60)
        assert done.returncode == 0 and done.stderr == b""


SEEDS = [encode(smooth(), format) for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO")]
SEEDS += [encode(smooth(), "AVIF")] if features.check("avif") else []
SEEDS += [encode(smooth(), "TIFF", compression="tiff_lzw"), encode(smooth(), "JPEG", progressive=True)]
SMALL = Limits(pixels=4_000_000)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.builds(lambda seed, tail: seed[:12] + tail, st.sampled_from(SEEDS), st.binary(max_size=300))))
def test_random_bytes_never_raise_anything_else(data):
    try:
        assert decode(data, limits=SMALL).mode == "RGB"
    except InputError as error:
        assert error.key.startswith("picture.")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=12), st.integers(0, 9999))
def test_damaged_pictures_never_raise_anything_else(seed, changes, length):
    data = bytearray(seed)
    for place, value in changes:
        data[place % len(data)] = value
    try:
        assert decode(data[:length] if length < len(data) else data, limits=SMALL).mode == "RGB"
    except InputError as error:
        assert error.key.startswith("picture.")


def test_corpus_of_bad_files():
    index = CORPUS / "index.csv"
    if not index.is_file():
        pytest.skip(f"there is no collection of bad pictures at {CORPUS}")
    with index.open(encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    found = {name: outcome(CORPUS / name) for name in names}
    keys = {name: key for name, key in found.items() if isinstance(key, str)}
    assert keys["zero_byte.png"] == "picture.empty" and keys["reallybig.bmp"] == "picture.too_many_pixels"
    assert keys["broken_data_stream.png"] == keys["shortfile.bmp"] == keys["png_decompression_dos.png"] == "picture.damaged"
    assert keys["hdf5.h5"] == "picture.other_kind" and keys["negative_layer_count.psd"] == "picture.other_format"
    for name in ("hopper_orientation_6.webp", "invalid-exif.jpg", "pil_sample_cmyk.jpg", "i_trns.png", "frame_size.mpo"):
        assert name not in keys, name
