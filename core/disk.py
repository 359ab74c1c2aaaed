"""Write files and folders so that each is there whole or not at all, whatever ends the process, and say in a sentence what a disk refuses.

What is written lies beside its place, as .NAME.RANDOM.unfinished, until it is whole. Its writer holds a lock on it that ends with the process, so
whoever writes into the same folder next can tell what nobody writes any more, and deletes it.
"""

import ctypes
import errno
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has no such locks: what was left there stays
    fcntl = None  # type: ignore[assignment]  # a module or nothing

UNFINISHED = ".unfinished"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HERE, _EXCHANGE = -100, 2  # of renameat2 of Linux: paths as they are, and the two change places


@contextmanager
def whole(place, *, folder=False):
    """Yield a path beside `place` to write to, which takes its place at the end.

    A file or folder that is there stays as it is until then. A folder is exchanged in one step on Linux; elsewhere there is neither for a moment.

    Args: place: a file or, with folder, a folder, which only its owner may enter unless the caller says otherwise; those above it are made.
    Raises: InputError where the disk is full or may not be written. After this, as after any other error, nothing is left beside.
    """
    with saying(place):
        found = Path(os.path.realpath(place))
        if not folder and found.exists() and not found.is_file():  # such as /dev/stdout
            yield found
            return
        found.parent.mkdir(parents=True, exist_ok=True)
        sweep(found.parent)
        beside, lock = _begin(found, folder)
        try:
            yield beside
            if not folder:
                beside.chmod(0o644)
            _settle(beside)
            _put(beside, found)
        finally:
            if lock is not None:
                os.close(lock)
            _remove(beside)


def write_whole(place, data):
    """Write the bytes of a file. Args: as `whole`. Raises: as `whole`."""
    with whole(place) as beside:
        beside.write_bytes(data)


@contextmanager
def saying(place):
    """Turn what the system says of writing to a place into an `InputError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            sentence = f"There is no room left on the disk for {place}; free some and do it again, or choose another place. What was there is as it was."
            raise InputError(sentence, key="disk.full", place=str(place)) from error
        reason = error.strerror or type(error).__name__
        sentence = f"{place} cannot be written ({reason}); choose another place, or see that this one may be written to."
        raise InputError(sentence, key="disk.unwritable", place=str(place), reason=reason) from error


def sweep(folder):
    """Delete what processes that were killed have left unfinished in a folder."""
    for path in Path(folder).glob(f".*{UNFINISHED}") if fcntl else ():
        with suppress(OSError):  # somebody writes it, or has deleted it meanwhile
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path)
            finally:
                os.close(handle)


def _begin(place, folder):
    """Make an empty file or folder beside a place. Returns: (its path, the handle that holds its lock or None)."""
    while True:
        options = {"prefix": f".{place.name}.", "suffix": UNFINISHED, "dir": place.parent}
        if folder:
            beside = tempfile.mkdtemp(**options)
        else:
            handle, beside = tempfile.mkstemp(**options)
            os.close(handle)
        if fcntl is None:
            return Path(beside), None
        with suppress(FileNotFoundError):
            lock = os.open(beside, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(beside):  # nobody has swept it before it was locked
                return Path(beside), lock
            os.close(lock)


def _settle(path):
    """Wait until the disk has a file, or every file of a folder."""
    for file in filter(Path.is_file, path.rglob("*")) if path.is_dir() else (path,):
        with file.open("rb") as handle:
            os.fsync(handle.fileno())


def _put(beside, place):
    if not (beside.is_dir() and place.is_dir()):
        os.replace(beside, place)
    elif not _exchange(beside, place):
        shutil.rmtree(place)
        os.replace(beside, place)


def _exchange(one, other):
    """Let two folders change places. Returns: whether the system could."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
