"""Picture files in a folder, here or behind a URL. Their names are held packed, so that a million of them are no burden."""

import hashlib
import os
from itertools import islice
from pathlib import Path

from core.errors import InputError
from core.images.item import Item, Source, checked
from core.images.places import Remote

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".mpo")
AT_ONCE = 64  # files fetched together from behind a URL, where each costs a round trip
NAMES = 10_000  # that are Python strings at once while a folder is listed
WHOLE = 2**22  # bytes up to which a file behind a URL is fetched together with others


class Folder(Source):
    """Picture files in name order; where all lie in sub-folders, these are the classes. Args: path: a `Path` or `Remote`."""

    def __init__(self, path):
        self.name, self._root, folders = path.name, path, []
        self._names = _packed(_top(path, folders), SUFFIXES)
        if folders and not len(self._names):
            self.classes = tuple(sorted(folders))
            self._names = _packed((name for folder in folders for name in _below(path, folder)), SUFFIXES)
        if not len(self):
            raise InputError(f"The folder {path} holds no pictures; put JPEG or PNG files in it.", key="source.empty", spec=str(path))
        self._labels = {name: label for label, name in enumerate(self.classes or ())}

    def __len__(self):
        return len(self._names)

    def __getitem__(self, i):
        name = _text(self._names[checked(i, self)].as_py())
        return Item(name.encode("utf-8", "replace").decode(), self._root / name, self._labels.get(name.partition("/")[0], -1))

    def items(self, start, stop):
        if not isinstance(self._root, Remote):
            yield from super().items(start, stop)
            return
        waiting = super().items(start, stop)
        while items := list(islice(waiting, AT_ONCE)):
            yield from _fetched(items)

    @property
    def facts(self):
        """Tell by names alone: a picture that was changed under its name is not noticed, as asking for each one's date takes minutes."""
        digest = hashlib.sha256()
        for start in range(0, len(self), NAMES):
            digest.update(b"\0\0".join(self._names.slice(start, NAMES).to_pylist()))
        return {**super().facts, "names": digest.hexdigest()}


def find_files(path, suffix):
    """Return the relative names, in order, of all files below a folder that end so, but those whose name starts with a dot or underscore."""
    folders = []
    names = [*_top(path, folders), *(name for folder in folders for name in _below(path, folder))]
    names = [name for name in names if name.endswith(suffix) and not any(part[0] in "._" for part in name.split("/"))]
    return sorted(names, key=lambda name: name.split("/"))


def _top(path, folders):
    """Yield the names of the files in a folder; the names of its folders are appended to `folders`. Neither starts with a dot."""
    if isinstance(path, Remote):
        found = ((entry["name"].rstrip("/").rpartition("/")[2], entry["type"] == "directory") for entry in path.fs.ls(path.path, detail=True))
    else:
        found = ((entry.name, _is_folder(entry)) for entry in os.scandir(path))
    for name, is_folder in found:
        if name.startswith(".") or not name:
            continue
        if is_folder:
            folders.append(name)
        else:
            yield name


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _below(path, folder):
    """Yield the names, relative to `path`, of all files below one of its folders, whatever the depth."""
    if isinstance(path, Remote):
        root = f"{path.path.rstrip('/')}/"
        yield from (name.removeprefix(root) for name in path.fs.find(f"{root}{folder}"))
        return
    for place, _, files in os.walk(path / folder):
        within = Path(place).relative_to(path).as_posix()
        yield from (f"{within}/{file}" for file in files)


def _packed(names, suffixes):
    """Return the names that end so in order, folder by folder, as one Arrow array of bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted, parts = (name for name in names if os.path.splitext(name)[1].lower() in suffixes), []
    while part := [os.fsencode(name).replace(b"/", b"\0") for name in islice(wanted, NAMES)]:  # \0 sorts a folder before its longer namesakes
        parts.append(pa.array(part, pa.large_binary()))
    packed = pa.chunked_array(parts, pa.large_binary()).combine_chunks()
    return packed.take(pc.sort_indices(packed))


def _text(packed):
    return os.fsdecode(packed.replace(b"\0", b"/"))


def _fetched(items):
    """Return items with their files' bytes, fetched at once; a file that is large or cannot be had is left for `Item.open` to explain."""
    files = [item.data for item in items]
    found = files[0].fs.cat_ranges([f.path for f in files], [0] * len(files), [WHOLE] * len(files), on_error="return")
    whole = [isinstance(data, bytes) and len(data) < WHOLE for data in found]
    return [Item(item.name, data if ok else item.data, item.label) for item, data, ok in zip(items, found, whole, strict=True)]
