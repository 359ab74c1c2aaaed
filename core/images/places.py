"""Files on this machine and behind URLs (`s3://`, `gs://`, whatever fsspec knows), opened alike.

A place on this machine is a `Path`; one behind a URL is a `Remote`, which offers what of `Path` is needed here.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from core import disk
from core.errors import InputError
from core.images.decode import Limits

MOST = Limits().bytes
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs", "http": "aiohttp", "https": "aiohttp"}


@dataclass(frozen=True)
class Remote:
    """A file or folder behind a URL: `fs` is an fsspec file system, `path` a place in it."""

    fs: Any
    path: str

    def __str__(self):
        return self.fs.unstrip_protocol(self.path)

    def __truediv__(self, name):
        return Remote(self.fs, f"{self.path.rstrip('/')}/{name}")

    @property
    def name(self):
        return PurePosixPath(self.path).name

    @property
    def stem(self):
        return PurePosixPath(self.path).stem

    @property
    def suffix(self):
        return PurePosixPath(self.path).suffix

    @property
    def parent(self):
        return Remote(self.fs, self.fs._parent(self.path))

    def exists(self):
        return self.fs.exists(self.path)

    def is_dir(self):
        return self.fs.isdir(self.path)

    def is_file(self):
        return self.fs.isfile(self.path)

    def mkdir(self, **_):
        self.fs.makedirs(self.path, exist_ok=True)  # object stores have no folders and take this as done

    def open(self, mode="rb"):
        return self.fs.open(self.path, mode)

    def read(self):
        """Return a picture's bytes, of a file that is too large only as many as tell so. Raises: InputError if it cannot be read."""
        try:
            return self.fs.cat_file(self.path, start=0, end=MOST + 1)
        except OSError as error:
            message = f"The file {self.name!r} cannot be opened; check that you may read it, or choose a copy of it."
            raise InputError(message, key="picture.unreadable", name=self.name) from error

    def read_bytes(self):
        return self.fs.cat_file(self.path)

    def unlink(self, *, missing_ok=False):
        if not missing_ok or self.exists():
            self.fs.rm_file(self.path)

    def facts(self):
        found = self.fs.info(self.path)
        changed = next((found[k] for k in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "created") if k in found), None)
        return {"bytes": found.get("size"), "changed": str(changed)}


def place(spec):
    """Return the `Path` or `Remote` that a path or URL stands for; nothing is looked at yet.

    Raises: InputError for a URL of a kind that there is no package for.
    """
    spec = str(spec)
    scheme, separator, _ = spec.partition("://")
    if not separator:
        return Path(spec).expanduser()
    if scheme == "file":
        return Path(unquote(urlsplit(spec).path))
    from fsspec.core import url_to_fs

    try:
        return Remote(*url_to_fs(spec))
    except ImportError as error:
        package = PACKAGES.get(scheme, f"that fsspec names for {scheme}")
        raise InputError(f"Reading {scheme}:// needs the package {package}; run pip install {package}.", key="place.package", scheme=scheme) from error
    except ValueError as error:
        raise InputError(f"{scheme}:// is no kind of URL that can be read here; give a path, s3:// or gs://.", key="place.scheme", scheme=scheme) from error


def facts(file):
    """Return what tells a file from another of its name: its size, and when it was changed or its hash, as the file system has it."""
    if isinstance(file, Remote):
        return file.facts()
    found = file.stat()
    return {"bytes": found.st_size, "changed": str(found.st_mtime_ns)}


def write_whole(file, data):
    """Write bytes so that the file is there whole or not at all. Args: file: a `Path` or `Remote`. Raises: InputError as `core.disk.whole`."""
    if isinstance(file, Remote):
        file.fs.pipe_file(file.path, data)  # an object appears when all of it has arrived
        return
    disk.write_whole(file, data)
