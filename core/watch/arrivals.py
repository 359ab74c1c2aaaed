"""Pictures as they arrive in a folder, each taken once and not before it is whole."""

import os
import time
from pathlib import Path

from core.errors import InputError
from core.images.folder import SUFFIXES
from core.images.item import Item


class Arrivals:
    """Args:
    folder: is looked through with its sub-folders; names that begin with a dot are left out, so that whoever writes may rename at the end.
    skip: names of pictures, as paths within the folder, that are not to be taken. settle: seconds in which a whole file has not changed.
    """

    def __init__(self, folder, *, skip=(), settle=1.0):
        self._root, self._settle, self._taken, self._waiting = Path(folder), settle, set(skip), {}
        if not self._root.is_dir():
            raise InputError(f"{folder} is no folder; --follow watches the pictures that arrive in one.", key="watch.follow", spec=str(folder))

    def poll(self):
        """Return the `Item`s that have become whole since the last look, first come first: with content, and unchanged between two looks."""
        now, found, whole = time.monotonic(), {}, []
        for stamp, name, path in sorted(self._files()):
            before, since = self._waiting.get(name, (None, now))
            if before == stamp and stamp[1] and now - since >= self._settle:
                whole.append((since, stamp, name, path))
            else:
                found[name] = stamp, since if before == stamp else now
        self._waiting = found
        self._taken.update(name for _, _, name, _ in whole)
        return [Item(name, path) for _, _, name, path in sorted(whole)]

    def _files(self):
        """Yield ((time of change in ns, bytes), name, path) of each picture file that was not taken yet."""
        for folder, folders, files in os.walk(self._root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for file in files:
                path = Path(folder, file)
                name = str(path.relative_to(self._root))
                if file.startswith(".") or path.suffix.lower() not in SUFFIXES or name in self._taken:
                    continue
                try:
                    facts = path.stat()
                except OSError:  # gone again
                    continue
                yield (facts.st_mtime_ns, facts.st_size), name, path
