"""A Postgres server of our own, which can be stopped and started again."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

PASSWORD = "pass:w0rd"


class Missing(Exception):
    """There is no Postgres on this machine, or it cannot be started, for the reason that this says."""


class Postgres:
    """A server that listens on a socket in a folder of its own, as a context. Raises: Missing, when entered."""

    def __enter__(self):
        beside = [str(f) for f in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
        path = os.pathsep.join([os.environ.get("PATH", ""), *beside])
        initdb, self._server = (shutil.which(name, path=path) for name in ("initdb", "postgres"))
        if not (initdb and self._server):
            raise Missing("no Postgres here: tools/install_postgres.sh installs one")
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))  # short, as the name of a socket must be; not pytest's, which only its user may enter
        self._as_user = {"cwd": self._folder, "stdin": subprocess.DEVNULL, "env": {"PATH": path, "LC_ALL": "C", "TZ": "Asia/Seoul"}}
        self._process, self._count = None, iter(range(10**6))
        self._url = sa.URL.create("postgresql+psycopg", "us", PASSWORD, database="postgres", query={"host": str(self._folder)})
        self._engine = sa.create_engine(self._url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        try:
            (self._folder / "password").write_text(PASSWORD)
            (self._folder / "password").chmod(0o644)  # in a folder that only its owner may enter
            if os.getuid() == 0:  # Postgres refuses to run as root
                shutil.chown(self._folder, "postgres", "postgres")
                self._as_user |= {"user": "postgres", "group": "postgres", "extra_groups": []}
            make = [initdb, "-D", "data", "-U", "us", "--pwfile=password", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
            subprocess.run(make, capture_output=True, text=True, check=True, **self._as_user)
            self.start()
        except (LookupError, OSError, subprocess.CalledProcessError) as error:
            self.__exit__()
            raise Missing(f"Postgres cannot be started here: {error} {getattr(error, 'stderr', '')[-500:]}") from error
        except Missing:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self):
        """Start it and wait until it answers."""
        with (self._folder / "log").open("w") as log:
            options = ["-D", "data", "-k", str(self._folder), "-h", "", "-F", "-c", "shared_buffers=16MB"]
            self._process = subprocess.Popen([self._server, *options], stdout=log, stderr=log, **self._as_user)
        deadline = time.monotonic() + 30
        while True:
            try:
                self._engine.connect().close()
                return
            except sa.exc.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise Missing(f"Postgres cannot be started here: {(self._folder / 'log').read_text()[-500:]}") from error
                time.sleep(0.05)

    def stop(self):
        """Stop it, whoever is connected."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(20)
            self._process = None

    def database(self):
        """Make an empty database. Returns: its URL."""
        name = f"test{next(self._count)}"
        with self._engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        return self._url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
