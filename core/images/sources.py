"""Where pictures come from: Parquet, a folder, .npz, toybox, or a torchvision data set.

Every source is a sequence of `Item`s that is read lazily: `source[i]`, `len(source)`, iteration, `source.items(start, stop)`.
"""

import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tokenize import TokenError

import numpy as np

from core.errors import InputError, reason, unknown
from core.images.folder import Folder, find_files
from core.images.item import Item, Source, checked, empty
from core.images.parquet import Parquet
from core.images.places import facts, place

_ARCHIVES = {"CIFAR10": ("cifar-10-python.tar.gz", "cifar-10-batches-py", 170_498_071)}  # archive, what it holds, bytes
DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    OSError,
    EOFError,
    MemoryError,
    struct.error,
    TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
LARGEST, PACKED = 2**31, 50  # bytes that pictures may unpack to however small their file is; how many times its size more may
READ = 200  # pictures between two reports of progress: about a second where they are drawn


@dataclass(frozen=True)
class Batch:
    """Pictures as the network sees them.

    Attributes:
        images: (N, 3, S, S) uint8 tensor; labels: (N,) int64 tensor, -1 unknown; names: N strings; domains: N strings or None.
        errors: (name, sentence) of each picture that could not be read; those are in none of the others.
        missing: the place of each of these among all pictures that were read, from 0.
    """

    images: object
    labels: object
    names: tuple
    domains: tuple
    errors: tuple
    missing: tuple = ()


def open_source(spec):
    """Open a source of pictures by its spec.

    Args: spec: a .parquet file (columns image, label, optional domain), a folder of pictures (flat, or a folder a class) or of .parquet
        files, either of these behind a URL such as s3://bucket/folder, an .npz file (images (N, H, W, 3) uint8, optional labels),
        "toybox:SPLIT", "noise:uniform", "torchvision:CIFAR10/test", or "data:NAME" for a .parquet file of the data folder, as `source_id` writes it.
    Returns: a sequence of Item with `classes`, the class names or None.
    Raises: InputError if there is no such source or it holds no pictures.
    """
    spec = str(spec)
    kind, _, rest = spec.partition(":")
    if kind == "toybox" and rest:
        return Toybox(rest)
    if kind == "torchvision" and rest:
        return Torchvision(rest)
    if kind == "noise" and rest:
        return Noise(rest)
    path = _in_data_folder(rest) if kind == "data" and rest else place(spec)
    if path is None or not _exists(path):
        raise InputError(
            f"There is no picture source {spec}; give a .parquet or .npz file, a folder, toybox:test, noise:uniform or torchvision:CIFAR10/test.",
            key="source.missing",
            spec=spec,
        )
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".parquet":
        return Parquet([path])
    if path.suffix == ".npz" and isinstance(path, Path):
        return Arrays(path)
    raise InputError(f"{path.name} is no picture source; give a .parquet or .npz file, or a folder.", key="source.kind", spec=path.name)


def named_sources(pairs):
    """Return {name: spec} of "NAME=SPEC" strings. Raises: InputError for a string without a name, or a name given twice."""
    named = {}
    for pair in pairs:
        name, equals, spec = str(pair).partition("=")
        if not (name and equals and spec) or name in named:
            raise InputError(f"{pair!r} is not of the form NAME=SRC with a name of its own; write, say, svhn=svhn.parquet.", key="source.named", pair=str(pair))
        named[name] = spec
    return named


def source_id(spec):
    """Return a name by which a source is found again on another machine: its spec, or "data:" and its place in the data folder."""
    path = Path(spec).expanduser()
    if not path.exists():
        return str(spec)
    root = data_folder()
    inside = root and path.resolve().is_relative_to(root.resolve())
    return f"data:{path.resolve().relative_to(root.resolve()).with_suffix('').as_posix() if inside else path.stem}"


def batches(source, preprocessing, *, size=256, start=0, stop=None):
    """Decode a source and yield it in `Batch`es of at most `size` pictures; a bad picture becomes an entry of `errors`."""
    stop = len(source) if stop is None else min(stop, len(source))
    items = source.items(start, stop)
    while some := list(islice(items, size)):
        yield decode_batch(some, preprocessing)


def decode_batch(items, preprocessing):
    """Decode `Item`s into one `Batch`."""
    from core.images.preprocess import stack

    pixels, kept, errors, missing = [], [], [], []
    for i, item in enumerate(items):
        try:
            pixels.append(preprocessing.see(item.open(near=preprocessing.size)))
            kept.append(replace(item, data=b""))
        except InputError as error:
            errors.append((item.name, str(error)))
            missing.append(i)
    return _batch(stack(pixels) if pixels else None, kept, errors, missing, preprocessing.size)


def read(source, preprocessing, *, start=0, stop=None, progress=None):
    """Decode pictures `start` to `stop` of a source into one `Batch`; `progress(done, total)` is called as it goes."""
    import torch

    stop = len(source) if stop is None else min(stop, len(source))
    parts = []
    for part in batches(source, preprocessing, start=start, stop=stop, size=READ):
        parts.append(part)
        if progress:
            progress(min(start + READ * len(parts), stop) - start, stop - start)
    if not parts:
        return _batch(None, [], [], [], preprocessing.size)
    names, domains, errors = (tuple(x for p in parts for x in getattr(p, field)) for field in ("names", "domains", "errors"))
    return Batch(
        torch.cat([p.images for p in parts]),
        torch.cat([p.labels for p in parts]),
        names,
        domains,
        errors,
        tuple(READ * k + i for k, p in enumerate(parts) for i in p.missing),
    )


class Arrays(Source):
    """An .npz file with `images` (N, H, W, 3) uint8 and, if known, `labels` (N,)."""

    def __init__(self, path):
        self.name, self._path = path.stem, path
        try:
            _check_archive(path)
            with np.load(path, allow_pickle=False) as file:
                images = next((file[k] for k in ("images", "x", "data", "arr_0") if k in file), None)
                labels = next((file[k] for k in ("labels", "y", "label") if k in file), None)
        except DAMAGED as error:
            raise InputError(f"{path.name} is not an .npz file that can be read; write it with numpy.savez.", key="source.npz", file=path.name) from error
        if images is None or images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
            raise InputError(f"{path.name} needs an array 'images' of shape (N, H, W, 3) and type uint8.", key="source.npz_shape", file=path.name)
        if not len(images):
            raise empty(path.name)
        if labels is not None and labels.shape != images.shape[:1]:
            raise InputError(f"{path.name} has {len(images)} images but labels of shape {labels.shape}.", key="source.npz_shape", file=path.name)
        if labels is not None and (labels.dtype.kind not in "iuf" or not np.isfinite(labels).all()):
            raise InputError(f"{path.name} has labels that are no whole numbers; give integers, -1 where unknown.", key="source.npz_shape", file=path.name)
        self._images, self._labels = images, labels

    def __len__(self):
        return len(self._images)

    def __getitem__(self, i):
        i = checked(i, self)
        return Item(f"{self.name}/{i}", self._images[i], -1 if self._labels is None else int(self._labels[i]))

    @property
    def facts(self):
        return {**super().facts, **facts(self._path)}


class Toybox(Source):
    """Pictures drawn on the spot; see `core.images.toybox`."""

    def __init__(self, split):
        from core.images import toybox

        if split not in toybox.SPLITS:
            raise unknown("toybox split", split, toybox.SPLITS)
        self.name, self.classes = f"toybox:{split}", toybox.KNOWN
        self._split, self._length, self._draw = split, toybox.SIZES[split], toybox.draw

    def __len__(self):
        return self._length

    def __getitem__(self, i):
        toy = self._draw(self._split, checked(i, self))
        return Item(f"{self.name}/{i}", toy.image, toy.label)


class Noise(Source):
    """Noise without end: "uniform" draws every value from 0 to 255 alike, "gaussian" with mean 128 and deviation 255, clipped.

    Both as in Liang et al., ICLR 2018, at 32 x 32; each picture depends on its index alone.
    """

    KINDS = ("uniform", "gaussian")

    def __init__(self, kind):
        if kind not in self.KINDS:
            raise unknown("noise", kind, self.KINDS)
        self.name, self._kind = f"noise:{kind}", kind

    def __len__(self):
        return 10_000

    def __getitem__(self, i):
        draw = np.random.default_rng([checked(i, self), self.KINDS.index(self._kind)])
        shape = (32, 32, 3)
        values = draw.integers(0, 256, shape) if self._kind == "uniform" else draw.normal(127.5, 255, shape).round().clip(0, 255)
        return Item(f"{self.name}/{i}", values.astype(np.uint8))


class Torchvision(Source):
    """A data set that torchvision has downloaded before, such as CIFAR10/test."""

    def __init__(self, spec):
        from torchvision import datasets

        name, _, split = spec.partition("/")
        known = ("CIFAR10", "CIFAR100", "SVHN", "MNIST", "FashionMNIST")
        if name not in known:
            raise unknown("torchvision data set", name, known)
        if split not in ("train", "test"):
            raise unknown(f"split of {name}", split, ("train", "test"))
        choice = {"split": split} if name == "SVHN" else {"train": split == "train"}
        try:
            self._set = getattr(datasets, name)(download_folder(), download=False, **choice)
        except RuntimeError as error:
            raise InputError(
                f"{name} has not been downloaded yet; run python -m core download {name} while there is a network.",
                key="source.not_downloaded",
                name=name,
            ) from error
        self.name, self.classes = f"torchvision:{spec}", tuple(getattr(self._set, "classes", ())) or None

    def __len__(self):
        return len(self._set)

    def __getitem__(self, i):
        i = checked(i, self)
        picture, label = self._set[i]
        return Item(f"{self.name}/{i}", np.array(picture.convert("RGB")), int(label))


def _check_archive(path):
    """Refuse a zip that unpacks to more than memory should take, and to far more than pictures do. Raises: OSError."""
    if not path.is_file():  # reading a pipe or a device might never end
        raise OSError("not a regular file")
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > LARGEST and unpacked > PACKED * path.stat().st_size:
        raise OSError(f"it would unpack to {unpacked:,} bytes")


def _exists(path):
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, no network, no permission
        raise InputError(f"{path} cannot be reached: {error}.", key="source.unreachable", spec=str(path)) from error


def _folder(path):
    """Return the source of a folder: of its pictures, or of its .parquet files where it holds no pictures."""
    try:
        return Folder(path)
    except InputError:
        names = find_files(path, ".parquet")
        if not names:
            raise
        return Parquet([path / name for name in names], name=path.name, names=[name.removesuffix(".parquet") for name in names])


def data_folder():
    """Return the folder of local picture sets, `BLOCKSCOPE_DATA`, or None where there is none."""
    folder = os.environ.get("BLOCKSCOPE_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None


def _in_data_folder(name):
    """Return the Parquet file of the data folder that has this name, or None."""
    folder = data_folder()
    path = folder and (folder / f"{name}.parquet").resolve()
    return path if path and path.is_relative_to(folder.resolve()) and path.is_file() else None


def download_folder():
    """Return the folder that torchvision downloads into: ~/.cache/blockscope unless XDG_CACHE_HOME says otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "blockscope"


def downloaded(name):
    """Tell whether a torchvision data set that `download` knows is there."""
    return (download_folder() / _ARCHIVES[name][1]).is_dir()


def download_size(name):
    """Return which share of a data set's archive has arrived: a fraction."""
    file, _, size = _ARCHIVES[name]
    archive = download_folder() / file
    return archive.stat().st_size / size if archive.is_file() else 0.0


def download(name):
    """Download a torchvision data set. Raises: InputError if the network or its server does not answer."""
    from torchvision import datasets

    if name not in _ARCHIVES:
        raise unknown("data set to download", name, _ARCHIVES)
    folder = download_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        datasets.CIFAR10(folder, download=True)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a broken archive a RuntimeError
        raise InputError(
            f"{name} could not be downloaded ({reason(error)}); check the network and try again, or set BLOCKSCOPE_DATA to a folder that has it.",
            key="download.failed",
            name=name,
        ) from error


def _batch(images, items, errors, missing, size):
    import torch

    if images is None:
        images = torch.empty(0, 3, size, size, dtype=torch.uint8)
    labels = torch.tensor([item.label for item in items], dtype=torch.int64)
    return Batch(images, labels, tuple(i.name for i in items), tuple(i.domain for i in items), tuple(errors), tuple(missing))
