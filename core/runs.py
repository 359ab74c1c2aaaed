"""Keep measured results ("runs") with what made them in a small SQL database: a SQLite file, or Postgres by its URL.

A run and its arrays are written in one transaction: a process that is killed at any moment leaves whole runs only.
"""

import io
import json
import os
import re
import secrets
import sqlite3
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from core.errors import InputError
from core.home import data_home

LAYOUT = 1  # of the tables; a store that says more was made by a newer version
_WAIT = 30  # seconds for another's write to end
_LOCK = 0x626C6F636B  # Postgres: whoever makes the tables holds this advisory lock
_BUGS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
_NO_ROOM = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
_FORBIDDEN = "42501"  # the SQLSTATE of insufficient privilege, which a person can mend

_tables = sa.MetaData()  # named so that a database may hold other things too
_layout = sa.Table("blockscope_layout", _tables, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
_runs = sa.Table(
    "blockscope_runs",
    _tables,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("title", sa.String, nullable=False),
    sa.Column("created", sa.DateTime, nullable=False, index=True),  # UTC without saying so: SQLite keeps no time zone
    sa.Column("made_by", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON, nullable=False),
)
_arrays = sa.Table(
    "blockscope_arrays",
    _tables,
    sa.Column("run", sa.String, sa.ForeignKey(_runs.c.id), primary_key=True),
    sa.Column("npz", sa.LargeBinary, nullable=False),
)
_owners = sa.Table(
    "blockscope_owners",
    _tables,
    sa.Column("run", sa.String, sa.ForeignKey(_runs.c.id), primary_key=True),
    sa.Column("owner", sa.String, nullable=False, index=True),
)
_SELECTED = sa.select(_runs, _owners.c.owner).select_from(_runs.outerjoin(_owners))


@dataclass(frozen=True)
class Run:
    """One measured result as it is stored.

    Attributes:
        id: short, cannot be guessed, safe in a URL; kind: such as "bench"; title: for people; created: with time zone, UTC.
        made_by: see `core.provenance.provenance`; result: what was measured. Both are what JSON gives back: lists for tuples, None for NaN.
        owner: whose it is, a name that nobody can guess; None for what belongs to whoever runs this machine.
    """

    id: str
    kind: str
    title: str
    created: datetime
    made_by: dict
    result: dict
    owner: str | None = None


class Store:
    """The runs in one database. Threads may share it, and processes may write to the same database.

    Args: url: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE; None for `default_url()`. Tables are made on first use.
    Raises: InputError, here and in every method, if the database cannot be reached, is none, or is of a newer layout.
    """

    def __init__(self, url=None):
        url = _parse(default_url() if url is None else url)
        self._place, self._password = _place(url), url.password
        try:
            self._engine = _engine(url)
            self._reader = _engine(url, reads=True) if url.get_backend_name() == "sqlite" else self._engine
        except ImportError as error:
            raise InputError("Postgres needs its driver; run pip install 'psycopg[binary]'.", key="runs.driver") from error
        except OSError as error:
            raise self._unreachable(error.strerror) from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Let go of the database."""
        self._engine.dispose()
        self._reader.dispose()

    def add(self, kind, result, *, title="", made_by=None, arrays=None, id=None, owner=None):
        """Store a result: all of it or, if anything fails, nothing.

        Args:
            kind: such as "bench".
            id: of `new_id`, where the run has one already; what is stored under it gives way, but for when it was created.
            result, made_by: dicts of what JSON knows and of NumPy's numbers. NaN and infinity become None: JSON has no word for them.
            arrays: {name: array} of any dtype but object.
            owner: see `Run`.
        Returns: the `Run` as `get` will give it.
        """
        title = title.encode("utf-8", "replace").decode().replace("\0", "")  # what a file name may hold and a database may not
        run = Run(id or new_id(), kind, title, datetime.now(UTC), _plain(made_by or {}), _plain(result), owner)
        packed = _pack(arrays) if arrays else None  # before the transaction, which others wait for
        with self._transaction(writes=True) as connection:
            if created := connection.scalar(sa.select(_runs.c.created).where(_runs.c.id == run.id)):
                run = replace(run, created=created.replace(tzinfo=UTC))
                for table, column in ((_arrays, _arrays.c.run), (_owners, _owners.c.run), (_runs, _runs.c.id)):
                    connection.execute(sa.delete(table).where(column == run.id))
            row = {column.name: getattr(run, column.name) for column in _runs.c} | {"created": run.created.replace(tzinfo=None)}
            connection.execute(sa.insert(_runs).values(row))
            if owner is not None:
                connection.execute(sa.insert(_owners).values(run=run.id, owner=owner))
            if packed is not None:
                connection.execute(sa.insert(_arrays).values(run=run.id, npz=packed))
        return run

    def get(self, id):
        """Return the `Run` of that id. Raises: InputError if there is none."""
        with self._transaction() as connection:
            row = connection.execute(_SELECTED.where(_runs.c.id == _checked(id))).first()
        if row is None:
            raise _unknown(id)
        return _run(row)

    def arrays(self, id):
        """Return {name: array} of a run, empty if it was stored without. Raises: InputError if there is no such run."""
        with self._transaction() as connection:
            row = connection.execute(sa.select(_arrays.c.npz).select_from(_runs.outerjoin(_arrays)).where(_runs.c.id == _checked(id))).first()
        if row is None:
            raise _unknown(id)
        return _unpack(row.npz) if row.npz is not None else {}

    def list(self, kind=None, limit=100, *, owner=None):
        """Return the newest `limit` runs, of one kind or of all, newest first; limit None for every run.

        Args: owner: leaves out what belongs to others; None leaves out nothing.
        """
        query = _SELECTED.order_by(_runs.c.created.desc(), _runs.c.id).limit(limit)
        if owner is not None:
            query = query.where(sa.or_(_owners.c.owner.is_(None), _owners.c.owner == owner))
        if kind is not None:
            query = query.where(_runs.c.kind == kind)
        with self._transaction() as connection:
            return [_run(row) for row in connection.execute(query)]

    def remove(self, id):
        """Delete a run with its arrays. Raises: InputError if there is no such run."""
        with self._transaction(writes=True) as connection:
            for table in (_arrays, _owners):
                connection.execute(sa.delete(table).where(table.c.run == _checked(id)))
            if not connection.execute(sa.delete(_runs).where(_runs.c.id == id)).rowcount:
                raise _unknown(id)

    @contextmanager
    def _transaction(self, *, writes=False):
        """Yield a connection in a transaction, the tables being there; what the database cannot do becomes an `InputError`."""
        try:
            with (self._engine if writes else self._reader).connect() as connection:
                with connection.begin():
                    there = sa.inspect(connection).has_table(_owners.name)  # the youngest of them
                if not there:
                    _create(connection)
                with connection.execution_options(writes=writes).begin():
                    self._check_layout(connection)
                    yield connection
        except DBAPIError as error:
            if isinstance(error, _BUGS) and getattr(error.orig, "sqlstate", None) != _FORBIDDEN:
                raise
            raise self._unreachable(str(error.orig)) from error

    def _check_layout(self, connection):
        found = connection.scalar(sa.select(sa.func.max(_layout.c.version)))
        if found != LAYOUT:
            raise InputError(
                f"The store of runs at {self._place} has layout {found}, this version reads {LAYOUT}; "
                "update Blockscope, or name another store in BLOCKSCOPE_RUNS.",
                key="runs.layout",
                place=self._place,
                found=found,
                known=LAYOUT,
            )

    def _unreachable(self, reason):
        reason = reason.strip().splitlines()[0].rstrip(".") if reason and reason.strip() else "it does not answer"
        if self._password and self._password in reason:
            reason = "it does not let us in"
        return InputError(
            f"The store of runs at {self._place} cannot be used: {reason}; "
            "see that it is there, has room and may be written, or name another in BLOCKSCOPE_RUNS.",
            key="runs.unreachable",
            place=self._place,
            reason=reason,
        )


def new_id():
    """Return an id that no run has and nobody can guess."""
    return secrets.token_hex(8)


def default_url():
    """Return the URL of the store: BLOCKSCOPE_RUNS, or else ~/.local/share/blockscope/runs.sqlite unless XDG_DATA_HOME says otherwise."""
    if url := os.environ.get("BLOCKSCOPE_RUNS"):
        return url
    return sa.URL.create("sqlite", database=str(data_home() / "runs.sqlite")).render_as_string(hide_password=False)


def _parse(url):
    """Return the URL with the driver that we use. Raises: InputError, which does not repeat it: it may hold a password."""
    with suppress(ArgumentError, ValueError):
        url = sa.make_url(url)
        backend = url.drivername.partition("+")[0]
        if backend == "sqlite" and url.database and not url.database.startswith((":memory:", "file:")):
            return url.set(drivername="sqlite", database=str(Path(url.database).expanduser()))
        if backend in ("postgresql", "postgres") and "@" not in (url.host or ""):  # an @ there is the tail of a password
            return url.set(drivername="postgresql+psycopg")
    raise InputError(
        "What names the store of runs (BLOCKSCOPE_RUNS) is no address of one; write sqlite:////folder/runs.sqlite or postgresql://user:password@host/database, "
        "and in the password %40 for @, %3A for : and %2F for /.",
        key="runs.url",
    )


def _place(url):
    """Return how a sentence names the database: its file, or its URL without what may be secret."""
    if url.get_backend_name() == "sqlite":
        return url.database
    return url.set(query={k: v for k, v in url.query.items() if k in ("host", "port")}).render_as_string(hide_password=True)


def _engine(url, *, reads=False):
    if url.get_backend_name() != "sqlite":
        patience = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
        return sa.create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=patience)
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # The file is opened for each transaction: a kept connection would go on writing to a file that somebody has replaced.
    # Without an isolation level Python's sqlite3 begins no transactions of its own; `_begin` does.
    options = {"timeout": _WAIT, "isolation_level": None}
    how = {"creator": partial(_open_to_read, url.database, options)} if reads else {"connect_args": options}
    engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, **how)
    sa.event.listen(engine, "connect", _use_wal)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _open_to_read(file, options):
    """Open a SQLite file, on a disk that is full or may only be read as one that nobody writes: else SQLite wants room for its log even then."""
    connection = sqlite3.connect(file, **options)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        log = Path(f"{file}-wal")  # what is in it, only those see who open the file as usual
        if error.sqlite_errorcode & 0xFF not in _NO_ROOM or not Path(file).is_file() or (log.is_file() and log.stat().st_size):
            return connection
        connection.close()
        return sqlite3.connect(f"{Path(file).absolute().as_uri()}?immutable=1", uri=True, **options)
    return connection


def _use_wal(connection, _):
    with suppress(sqlite3.Error):  # a file that is in use or may only be read stays as it is; anything worse shows at the first statement
        connection.execute("PRAGMA journal_mode=WAL")


def _begin(connection):
    """Begin a transaction of SQLite; one that will write takes the lock at once, as taking it after a read may fail without a wait."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def _create(connection):
    """Make the tables; of several processes that are about to, one does."""
    with connection.execution_options(writes=True).begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        _tables.create_all(connection)
        if connection.scalar(sa.select(sa.func.max(_layout.c.version))) is None:
            connection.execute(sa.insert(_layout).values(version=LAYOUT))


def _checked(id):
    """Return the id if one may look like that: what comes from a URL is shown to no database before."""
    if not re.fullmatch("[0-9a-f]{16}", str(id)):
        raise _unknown(id)
    return id


def _unknown(id):
    id = str(id)[:40]
    return InputError(f"There is no run {id!r} in this store; it may have been removed, or be kept in another store.", key="runs.unknown", id=id)


def _run(row):
    return Run(row.id, row.kind, row.title, row.created.replace(tzinfo=UTC), row.made_by, row.result, row.owner)


def _plain(value):
    """Return a value as JSON gives it back; NaN and infinity come back as None."""
    return json.loads(json.dumps(value, default=_number), parse_constant=lambda _: None)


def _number(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a run cannot keep a {type(value).__name__}: {value!r:.80}")


def _pack(arrays):
    """Return arrays as the bytes of an .npz file; `np.savez` has no room for an array named "file"."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    return made.getvalue()


def _unpack(data):
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
