"""Sources of pictures made to harm whoever opens them: {what it is: function of a folder that writes one and returns its spec}."""

import io
import os
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.soak import bombs

NAME = "=cmd'!A0 <b>**b**\u202e\x07\n"


def table(folder, name="table", **columns):
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def _images(n=4):
    return pa.array([bombs.good(side=8 + i) for i in range(n)])


def _written(folder, name, data):
    (folder / name).write_bytes(data)
    return folder / name


def _shaken(folder, start, length):
    """Write a good file in which some bytes are others. Args: start, length: fractions of it."""
    data = bytearray(table(folder, image=_images(), label=pa.array(range(4))).read_bytes())
    for i in range(int(start * len(data)), int((start + length) * len(data)), 3):
        data[i] ^= 0x55
    return _written(folder, "shaken.parquet", bytes(data))


def _twice(folder):
    path = folder / "twice.parquet"
    pq.write_table(pa.Table.from_arrays([_images(), _images()], names=["image", "image"]), path)
    return path


def _large_cell(folder):
    """Write one picture of 260 MB that packs to 12."""
    path = folder / "cell.parquet"
    pq.write_table(pa.table({"image": pa.array([bytes(260 * 2**20)], pa.large_binary())}), path, use_dictionary=False, write_statistics=False)
    return path


def _pipe(folder, name):
    os.mkfifo(folder / name)
    return folder / name


def _in_folder(folder):
    (folder / "pictures").mkdir()
    os.mkfifo(folder / "pictures" / "pipe.png")
    (folder / "pictures" / "loop.png").symlink_to("loop.png")
    (folder / "pictures" / "device.png").symlink_to("/dev/zero")
    _written(folder / "pictures", f"{NAME}.png", bombs.good())
    return folder / "pictures"


def _npz(folder, **arrays):
    np.savez_compressed(folder / "arrays.npz", **arrays)
    return folder / "arrays.npz"


def _npz_of(folder, header, data=b"", *, compressed=False):
    """Write an .npz whose one array says of itself what `header` says."""
    text = header.encode().ljust(118) + b"\n"
    content = io.BytesIO(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data).getvalue()
    with zipfile.ZipFile(folder / "arrays.npz", "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        archive.writestr("images.npy", content)
    return folder / "arrays.npz"


MADE = {
    "a good one": lambda f: table(f, image=_images(), label=pa.array(range(4))),
    "nothing": lambda f: f / "nothing.parquet",
    "a zero byte in the name": lambda f: "a\0b.parquet",
    "a name of 5,000 characters": lambda f: f / ("x" * 5000 + ".parquet"),
    "another folder": lambda f: "data:../../../../etc/passwd",
    "a drawn set of another name": lambda f: f"toybox:{NAME}",
    "no bytes": lambda f: _written(f, "empty.parquet", b""),
    "only the marks": lambda f: _written(f, "marks.parquet", b"PAR1\xff\xff\xff\x7fPAR1"),
    "a pipe": lambda f: _pipe(f, "pipe.parquet"),
    "a pipe named npz": lambda f: _pipe(f, "pipe.npz"),
    "a folder with a pipe, a loop and a device": _in_folder,
    "a hostile name": lambda f: table(f, NAME, image=_images()),
    "no column of pictures": lambda f: table(f, picture=_images()),
    "columns with hostile names": lambda f: table(f, **{NAME * 100: _images()}),
    "pictures that are text": lambda f: table(f, image=pa.array(["a", "b"])),
    "pictures that are lists": lambda f: table(f, image=pa.array([[b"a"], [b"b"]])),
    "two columns of pictures": _twice,
    "labels that are text": lambda f: table(f, image=_images(2), label=pa.array(["cat", "dog"])),
    "labels that are lists": lambda f: table(f, image=_images(2), label=pa.array([[1], [2]])),
    "labels that are huge": lambda f: table(f, image=_images(2), label=pa.array([2**64 - 1, 2**63], pa.uint64())),
    "labels that are not there": lambda f: table(f, image=_images(2), label=pa.array([None, 1])),
    "domains that are lists": lambda f: table(f, image=_images(2), domain=pa.array([[1], [2]])),
    "pictures that are not there": lambda f: table(f, image=pa.array([None, bombs.good(), b""])),
    "pictures that are none": lambda f: table(f, image=pa.array([b"a", b"\x89PNG\r\n\x1a\n", bombs.png(2**31 - 1, 2**31 - 1)])),
    "no rows": lambda f: table(f, image=pa.array([], pa.binary())),
    "a cell of 260 MB": _large_cell,
    **{f"damaged at {n} %": lambda f, n=n: _shaken(f, n / 100, 0.02) for n in range(1, 99, 2)},
    "arrays of another shape": lambda f: _npz(f, images=np.zeros((2, 8, 8), np.uint8)),
    "arrays of objects": lambda f: _npz(f, images=np.array([{}, {}], object)),
    "arrays of no pictures": lambda f: _npz(f, images=np.zeros((0, 8, 8, 3), np.uint8)),
    "labels for others": lambda f: _npz(f, images=np.zeros((2, 8, 8, 3), np.uint8), labels=np.zeros(7)),
    "labels that are no numbers": lambda f: _npz(f, images=np.zeros((2, 8, 8, 3), np.uint8), labels=np.array([np.nan, np.inf])),
    "arrays of a petabyte": lambda f: _npz_of(f, "{'descr': '|u1', 'fortran_order': False, 'shape': (10**12, 1, 1, 3)}".replace("10**12", str(10**15))),
    "an array that is code": lambda f: _npz_of(f, "__import__('os').system('false')"),
    "an array of brackets": lambda f: _npz_of(f, "[" * 110),
    "npz of no bytes": lambda f: _written(f, "empty.npz", b""),
    "npz that is no zip": lambda f: _written(f, "none.npz", b"PK\x03\x04" + bytes(100)),
}
