"""The history of a watch: a JSON line of its settings, then one for each batch. It is appended to, and is all that a watch needs to go on."""

import errno
import json
import math
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.disk import saying
from core.errors import InputError
from core.watch.watch import Seen, Settings, Watch


def read_history(data):
    """Read a history.

    Args: data: its bytes; a last line that was cut off while it was written is left out.
    Returns: (what it was begun with: the settings and whose p-values they are, rows: what `History.add` wrote).
    Raises: InputError if it is no history.
    """
    try:
        first, *rows = [json.loads(line) for line in data[: data.rfind(b"\n") + 1].decode("utf-8").splitlines()]
        settings = Settings(**first["watch"])
        for row in rows:
            row.update(asdict(_seen(row)), names=[str(name) for name in row["names"]], errors=[(str(n), str(e)) for n, e in row["errors"]], at=str(row["at"]))
        if rows:
            Watch(settings, rows[-1]["state"]).see([1.0])  # a state that nobody can go on from is found here
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise InputError("This file is no history of a watch; take one that python -m core watch --out wrote.", key="watch.history") from error
    return first, rows


class History:
    """A history in a file. Args: path: made where it is not there; begun: {watch: settings, ...}, which one that is there has to share.

    Attributes: state: to go on from, or None; names: of every picture in it. Raises: InputError if the file is no history, or of another watch.
    """

    def __init__(self, path, begun):
        self.path, self.state, self.names = Path(path), None, set()
        if not self.path.exists() or not self.path.stat().st_size:
            with saying(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(begun)
            return
        data = self.path.read_bytes()
        first, rows = read_history(data)
        if differing := [k for k in first["watch"] | first | begun if k != "watch" and _of(first, k) != _of(begun, k)]:
            k = differing[0]
            raise InputError(
                f"{self.path.name} was begun with {k} {_of(first, k)}, not {_of(begun, k)}; watch with the same, or into another file.",
                key="watch.begun",
                file=self.path.name,
                name=k,
            )
        if len(data) > data.rfind(b"\n") + 1:  # cut off while it was written
            with saying(self.path), self.path.open("r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)
        self.state = rows[-1]["state"] if rows else None
        self.names = {name for row in rows for name in (*row["names"], *(name for name, _ in row["errors"]))}

    def add(self, seen, names, errors, state):
        """Append a batch. Args: names: of its pictures; errors: (name, sentence) of those that could not be read; state: of the watch after it.

        Raises: InputError where it cannot be written; the history is as it was then.
        """
        self._write({"at": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(seen), "names": names, "errors": errors, "state": state})

    def _write(self, document):
        with saying(self.path), self.path.open("ab", buffering=0) as file:
            line, before = (json.dumps(document, ensure_ascii=False) + "\n").encode(), file.seek(0, os.SEEK_END)
            try:
                if file.write(line) < len(line):  # a disk that is about to be full takes a part
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                file.truncate(before)
                raise


def _of(begun, name):
    return begun["watch"].get(name, begun.get(name))


def _seen(row):
    """Return the `Seen` of a row. Raises: ValueError, KeyError, TypeError, ArithmeticError if it is none."""
    counts = {name: int(row[name]) for name in ("batch", "pictures", "ood")}
    numbers = {name: float(row[name]) for name in ("p_value", "share", "share_low", "share_high", "evidence")}
    if not all(map(math.isfinite, numbers.values())):
        raise ValueError("no number")
    since = None if row["since"] is None else int(row["since"])
    lists = {"flagged": tuple(map(int, row["flagged"])), "p_values": tuple(map(float, row["p_values"]))}
    values: dict[str, Any] = {**counts, **numbers, **lists}
    return Seen(**values, alarm=bool(row["alarm"]), since=since)
