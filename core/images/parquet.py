"""Pictures in Parquet: one encoded picture a row (columns image, label, optional domain), in one file or in a folder of them.

Read in a row, no more than a few pages are held, however large the row groups are; read one by one, the row group in use is kept.
"""

from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from core.errors import InputError
from core.images.item import Item, Source, checked, empty
from core.images.places import facts

LARGEST, PACKED = 2**28, 10  # bytes of a row group that may shrink as it likes; how much larger ones may: encoded pictures hardly shrink at all
BUFFER = 2**20  # bytes of a column chunk that are read at once
ROWS = 256  # rows that are taken out at once
OPENERS = 16  # footers read at once: far away, each costs a round trip


class Parquet(Source):
    """Args: files: `Path`s or `Remote`s; name: of the source, where it is a folder; names: of the files, by default their stems."""

    def __init__(self, files, *, name=None, names=None):
        self._files, self._names = list(files), names or [f.stem for f in files]
        self.name = name or self._names[0]
        with ThreadPoolExecutor(min(OPENERS, len(self._files))) as pool:
            lengths = list(pool.map(_length, self._files))
        self._ends = np.cumsum(lengths).tolist()
        if not len(self):
            raise empty(name or self._files[0].name)
        self._held: tuple = (None, 0, ())  # one attribute, so that two threads never see a group with another's rows

    def __getstate__(self):
        return {**self.__dict__, "_held": (None, 0, ())}

    def __len__(self):
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, i):
        k, row = self._place(checked(i, self))
        held, start, table = self._held
        if held != k or not start <= row < start + len(table):
            start, table = self._group(k, row)
            self._held = (k, start, table)
        return next(_items(table.slice(row - start, 1), self._names[k], row))

    def items(self, start, stop):
        stop = min(stop, len(self))
        while start < stop:
            k, row = self._place(start)
            last = min(stop, self._ends[k]) - start + row
            yield from self._items_of(k, row, last)
            start += last - row

    @property
    def facts(self):
        return {**super().facts, "files": [{"name": name, **facts(file)} for name, file in zip(self._names, self._files, strict=True)]}

    def _place(self, i):
        k = bisect_right(self._ends, i)
        return k, i - (self._ends[k - 1] if k else 0)

    def _group(self, k, row):
        """Return (first row, table) of the row group that a row lies in."""
        import pyarrow as pa

        try:
            file = _open(self._files[k])
            ends = _group_ends(file)
            group = bisect_right(ends, row)
            return ends[group - 1] if group else 0, file.read_row_group(group, columns=_columns(file))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self._files[k]) from error

    def _items_of(self, k, start, stop):
        import pyarrow as pa

        try:
            yield from self._rows_of(k, start, stop)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self._files[k]) from error

    def _rows_of(self, k, start, stop):
        file = _open(self._files[k])
        ends = _group_ends(file)
        first, last = bisect_right(ends, start), bisect_right(ends, stop - 1)
        row = ends[first - 1] if first else 0
        for rows in file.iter_batches(ROWS, row_groups=range(first, last + 1), columns=_columns(file), use_threads=False):
            begin, end = max(start - row, 0), min(stop - row, len(rows))
            if begin < end:
                yield from _items(rows.slice(begin, end - begin), self._names[k], row + begin)
            row += len(rows)
            if row >= stop:
                return


def _open(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if isinstance(path, Path) and not path.is_file():  # reading a pipe or a device might never end
            raise OSError("not a regular file")
        return pq.ParquetFile(path if isinstance(path, Path) else path.open(), buffer_size=BUFFER, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path) from error


def _unreadable(path):
    return InputError(f"{path.name} is not a Parquet file that can be read; write it again.", key="source.parquet", file=path.name)


def _length(path):
    """Return how many rows a file has. Raises: InputError if its columns are not those of pictures."""
    import pyarrow as pa

    file = _open(path)
    columns = file.schema_arrow.names
    if columns.count("image") != 1:
        listed = ", ".join(name[:40] for name in columns[:10])
        raise InputError(
            f"{path.name} has {columns.count('image') or 'no'} column 'image' (it has {listed}); name the encoded pictures' column 'image'.",
            key="source.column",
            file=path.name,
        )
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary, pa.types.is_null)
    kinds = {"image": (pa.types.is_binary, pa.types.is_large_binary), "label": (pa.types.is_integer, pa.types.is_null), "domain": text}
    for column, allowed in kinds.items():
        found = [field.type for field in file.schema_arrow if field.name == column]
        if len(found) > 1 or not all(any(is_kind(kind) for is_kind in allowed) for kind in found):
            raise InputError(f"{path.name}: the column '{column}' has type {str(found[0])[:60]}.", key="source.column", file=path.name)
    if _grows(file):
        raise InputError(f"{path.name} would unpack to far more bytes than pictures do; write it again.", key="source.grows", file=path.name)
    return file.metadata.num_rows


def _grows(file):
    """Tell whether a row group unpacks to more than memory should take, and so much that it holds no encoded pictures."""
    for i in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(i)
        parts = [group.column(j) for j in range(group.num_columns)]
        packed, unpacked = sum(part.total_compressed_size for part in parts), sum(part.total_uncompressed_size for part in parts)
        if unpacked > LARGEST and unpacked > PACKED * packed:
            return True
    return False


def _columns(file):
    return [c for c in ("image", "label", "domain") if c in file.schema_arrow.names]


def _group_ends(file):
    return np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]).tolist()


def _items(rows, name, first):
    columns = {c: rows.column(c).to_pylist() for c in rows.schema.names}
    absent = [None] * rows.num_rows
    for i, (image, label, domain) in enumerate(zip(columns["image"], columns.get("label", absent), columns.get("domain", absent), strict=True), first):
        yield Item(f"{name}/{i}", image or b"", -1 if label is None or not -(2**31) <= label < 2**31 else label, domain)
