"""One picture as found, and what every source of pictures does."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from core.errors import InputError
from core.images.decode import decode
from core.images.places import Remote


@dataclass(frozen=True)
class Item:
    """One picture as found: `data` is encoded bytes, a path, a `Remote`, or (H, W, 3) uint8; `label` is -1 where unknown."""

    name: str
    data: bytes | Path | Remote | np.ndarray
    label: int = -1
    domain: str | None = None

    def open(self, *, near=None):
        """Return the RGB `PIL.Image`. Raises: InputError if it is not a picture that can be read."""
        if isinstance(self.data, np.ndarray):
            return Image.fromarray(self.data)
        data = self.data.read() if hasattr(self.data, "read") else self.data
        return decode(data, near=near)


class Source:
    """A sequence of `Item`s. Whoever subclasses writes `__len__` and `__getitem__`, and `items` where reading in a row is quicker.

    Attributes: name; classes: class names or None; facts: what tells this source from another and from itself before it was changed, as far as
        that costs no look at each picture.
    """

    name = ""
    classes: tuple | None = None

    def __len__(self):
        raise NotImplementedError

    def __getitem__(self, i):
        raise NotImplementedError

    def items(self, start, stop):
        """Yield pictures `start` to `stop` in order. Threads may do so at once."""
        return (self[i] for i in range(start, stop))

    @property
    def facts(self):
        return {"name": self.name, "pictures": len(self)}


class Picked(Source):
    """Some pictures of a source under names of their own. Args: rows: which, in this order; names: of each."""

    def __init__(self, source, rows, names):
        self._source, self._rows, self._names = source, rows, names

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, i):
        return replace(self._source[self._rows[i]], name=self._names[i])


def empty(name):
    return InputError(f"{name} holds no pictures.", key="source.empty", spec=name)


def checked(i, source):
    if not 0 <= i < len(source):
        raise IndexError(f"picture {i} of {len(source)}")
    return i
