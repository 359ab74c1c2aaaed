"""Files that people bring to a server and that outlast a page: weights, pictures. Each lies under the hash of what it holds."""

import hashlib
import logging
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath

from core.disk import whole
from core.errors import InputError
from core.home import data_home
from core.limits import limits

log = logging.getLogger(__name__)

LONGEST, DEEPEST = 80, 16  # bytes of a name, folders within each other
OLD = 24 * 3600  # seconds after which what nobody needs is swept up


def uploads_folder():
    return data_home() / "uploads"


def keep_file(name, data):
    """Keep one file. Args: name: as its owner calls it; data: bytes. Returns: its path; the same file brought twice is kept once."""
    name = _plain(PurePosixPath(name.replace("\\", "/")).name)
    return _keep([(name, data)]) / name


def keep_folder(files):
    """Keep a folder of files, with the folders in it.

    Args: files: [(path, bytes)]; paths begin with the name of the folder itself, as browsers tell them, which is left out.
    Returns: its path. Raises: InputError if there are no files.
    """
    if not files:
        raise InputError("The folder holds no files; choose another one.", key="uploads.empty")
    parts = [PurePosixPath(name.replace("\\", "/")).parts or ("_",) for name, _ in files]
    first = 1 if len({p[0] for p in parts}) == 1 and all(len(p) > 1 for p in parts) else 0
    return _keep([("/".join(p[first:][-DEEPEST:]), data) for p, (_, data) in zip(parts, files, strict=True)])


def folder_of(path):
    """Return the folder under its hash that a brought file lies in, or is."""
    return uploads_folder() / Path(path).relative_to(uploads_folder()).parts[0]


def forget(folder):
    """Delete what was brought. Args: folder: as `folder_of` returns it."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep(needed):
    """Delete what was brought or asked for more than a day ago and is not needed. Args: needed: tells of a folder whether it is."""
    if uploads_folder().is_dir():
        for folder in uploads_folder().iterdir():
            if folder.stat().st_mtime < time.time() - OLD and not needed(folder):
                forget(folder)


def _keep(files):
    """Write files into a folder that is named by what they hold, or find it there."""
    digest = hashlib.sha256()
    for name, data in sorted(files):
        digest.update(hashlib.sha256(name.encode("utf-8", "replace")).digest() + hashlib.sha256(data).digest())
    root = uploads_folder()
    folder = root / digest.hexdigest()[:32]
    if not folder.is_dir():
        with whole(folder, folder=True) as beside:
            for name, data in files:
                file = beside.joinpath(*(_plain(part) for part in PurePosixPath(name).parts))
                try:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(data)
                except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                    raise InputError(f"{name[:60]} is the name of both a file and a folder; rename one.", key="uploads.names", name=name[:60]) from error
    with suppress(OSError):  # a disk that may only be read keeps what was brought before
        os.utime(folder)
    _forget(root, folder)
    log.info("files kept", extra={"files": len(files), "bytes": sum(len(data) for _, data in files)})
    return folder


def _plain(part):
    """Return a name that is one step into a folder, whatever it was; of a long one the end, which tells the format."""
    part = part.lstrip(".").replace("/", "_").replace("\0", "_").encode("utf-8", "replace")[-LONGEST:]  # file systems count bytes
    return part.decode("utf-8", "ignore").lstrip(".") or "_"


def _forget(root, but):
    """Delete what was brought or asked for longest ago, until no more is left than `core.limits.Limits.brought_mb`."""
    folders = sorted((f for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")), key=lambda f: f.stat().st_mtime, reverse=True)
    total = 0
    for folder in folders:
        total += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        if total > limits().brought_mb * 10**6 and folder != but:
            shutil.rmtree(folder, ignore_errors=True)
