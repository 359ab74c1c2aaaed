"""Databases that go away and come back while somebody keeps runs in them."""

import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

from core import runs
from core.errors import InputError
from core.runs import Store
from tests.postgres import Missing, Postgres
from tests.soak.table import Row


def database_rows(tries):
    """Take a database away and bring it back, `tries` times. Yields: `Row`."""
    yield _postgres(tries)
    with tempfile.TemporaryDirectory() as folder:
        for what, (away, back) in _sqlite(Path(folder) / "runs.sqlite").items():
            yield _row(f"SQLite {what}", f"sqlite:///{folder}/runs.sqlite", away, back, tries)


def _postgres(tries):
    try:
        with Postgres() as server:
            return _row("Postgres stopped and started", server.database(), server.stop, server.start, tries)
    except Missing as reason:
        return Row("faults", "Postgres stopped and started", 0, 0, f"not tried: {reason}")


def _sqlite(file):
    """Return {what happens to a file: (how, how it is undone)}."""
    holder = {}

    def lock():
        holder["lock"] = sqlite3.connect(file, isolation_level=None)
        holder["lock"].execute("BEGIN EXCLUSIVE")

    def unlock():
        holder.pop("lock").close()

    def garble():
        holder["whole"] = file.read_bytes()
        file.write_bytes(b"This is no database. " * 500)

    return {
        "locked for longer than is waited": (lock, unlock),
        "overwritten with garbage and put back": (garble, lambda: file.write_bytes(holder.pop("whole"))),
        "deleted": (file.unlink, lambda: None),
    }


def _row(what, url, away, back, tries):
    """Keep runs before, during and after, through a store that stays open and through new ones, as pages make them. Returns: `Row`."""
    wrong, waited, said = [], runs._WAIT, set()
    with Store(url) as opened:
        opened.add("bench", {"n": 0})
        for n in range(1, tries + 1):
            known = len(opened.list(limit=None))
            try:
                runs._WAIT = 0.2  # else it is half a minute
                with Store(url) as waiting:
                    away()
                    for store in (waiting, opened) if "locked" not in what else (waiting,):
                        with suppress(InputError):  # SQLite makes a file that is not there anew
                            store.add("bench", {"n": n})
                            said.add("goes on in a new file") if what.endswith("deleted") else wrong.append("kept where nothing can be")
            except Exception as error:
                wrong.append(f"no sentence but {type(error).__name__}: {error}")
            finally:
                runs._WAIT = waited
                back()
            with Store(url) as fresh:
                for store in (opened, fresh):
                    try:
                        store.get(store.add("bench", {"n": n}).id)
                        if not what.endswith("deleted") and len(store.list(limit=None)) < known:
                            wrong.append("runs are gone")
                    except Exception as error:
                        wrong.append(f"does not work again: {error}")
    return Row("faults", what, tries, min(tries, len(wrong)), "; ".join(wrong) or "; ".join(said) or "a sentence meanwhile; works again afterwards")
