"""Packs that are made in the background of a server: one at a time, each under a name that nobody can guess.

What makes one lies on disk: its order, what is done so far, in the end its pack. So it outlives a cancel, and the server too, and can be
resumed.
"""

import json
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core import jobs
from core.disk import saying, write_whole
from core.errors import InputError
from core.limits import room
from core.packs import own_folder

KEPT = 40  # of one kind on disk; the oldest go first


@dataclass
class Making:
    """One pack that is made, or was.

    Attributes:
        name: of the pack; arguments: of `python -m core`; folder: of the pack; job: of this process, or None;
        began: when the first step was done here, and which one it was; cancelled: whether somebody ended it.
    """

    name: str
    arguments: list
    folder: Path
    job: jobs.Job | None = None
    began: tuple = ()
    cancelled: bool = False

    @property
    def busy(self):
        return self.job is not None and self.job.running

    @property
    def seconds_left(self):
        """Return how long what the job reports will take on, or None before there is a step to tell it by."""
        if self.job is None or not self.began or self.job.done <= self.began[1]:
            return None
        return (time.monotonic() - self.began[0]) * (self.job.total - self.job.done) / (self.job.done - self.began[1])

    def option(self, name):
        """Return the word after --name, or None."""
        return self.arguments[self.arguments.index(f"--{name}") + 1] if f"--{name}" in self.arguments else None

    @property
    def state(self):
        """Return "waiting", "running", "done", "failed", "stopped" by somebody, or "interrupted" with its server."""
        if self.job is not None and self.job.running:
            return "waiting" if self.job.doing == "waiting" else "running"
        if (self.folder / "pack.toml").is_file():
            return "done"
        if self.job is not None and (self.job.error or self.job.bug):
            return "failed"
        return "stopped" if self.cancelled else "interrupted"


class Makings:
    """All that a server makes of one kind. Every method may be called from any thread.

    A kind says what it is (`COMMAND`, the words that its arguments begin with; `Kind`, a `Making`), how it is made (`make`), and what lies
    beside its pack while it is not done (`remnants`).
    """

    COMMAND: tuple[str, ...] = ()
    Kind = Making

    def __init__(self, folder=None, *, line=None):
        """Args: folder: of orders and packs, by default the one where packs are found by name; line: the `jobs.Line` to wait in."""
        self.folder, self.line = Path(folder or own_folder()), jobs.Line() if line is None else line
        self._held, self._lock = OrderedDict(), threading.Lock()

    def make(self, job, making):
        """Make it. Args: job: to report to and to be stopped by."""
        raise NotImplementedError

    def remnants(self, making):
        """Return the files and folders that are kept beside the pack until it is done."""
        return ()

    def start(self, arguments):
        """Start one. Args: arguments: `COMMAND` and its options, but for --out. Returns: its `Making`.

        Raises: InputError where too many wait, or nothing can be written.
        """
        room(len(self.line))
        name = secrets.token_urlsafe(12)
        making = self.Kind(name, [*arguments, "--out", str(self.folder / name)], self.folder / name)
        self._write(making)
        with self._lock:
            self._held[name] = making
        self._forget()
        self._run(making)
        return making

    def find(self, name):
        """Return the `Making` of a name, or None."""
        with self._lock:
            if name in self._held or "/" in name or name.startswith(".") or len(name) > 64:
                return self._held.get(name)
            file = self._order(name)
            if not file.is_file():
                return None
            order = json.loads(file.read_text("utf-8"))
            arguments, cancelled = (order["arguments"], order["cancelled"]) if isinstance(order, dict) else (order, False)  # a list: of an older version
            if tuple(arguments[: len(self.COMMAND)]) != self.COMMAND:
                return None
            self._held[name] = self.Kind(name, arguments, self.folder / name, cancelled=cancelled)
            return self._held[name]

    def needs(self, name):
        """Tell whether the order of one that is done or not names this: a file or folder that it is made of."""
        return any(name in file.read_text("utf-8") for file in self.folder.glob(".*.order.json"))

    def resume(self, making):
        """Go on with one that has stopped, failed or was interrupted; of two that ask, one does. Raises: InputError where nothing can be written."""
        with self._lock:
            if making.state in ("stopped", "failed", "interrupted"):
                making.began, making.cancelled = (), False
                self._write(making)
                self._run(making)

    def ahead(self, making):
        """Return how many run or wait before this one."""
        return self.line.ahead(making.name)

    def remove(self, making):
        """Stop it and delete all of it."""
        if making.busy:
            making.job.stop.set()
            making.job.wait(30)
        with self._lock:
            self._held.pop(making.name, None)
        for place in (self._order(making.name), making.folder, *self.remnants(making)):
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            else:
                with saying(place):
                    place.unlink(missing_ok=True)

    def _order(self, name):
        return self.folder / f".{name}.order.json"

    def _write(self, making):
        write_whole(self._order(making.name), json.dumps({"arguments": making.arguments, "cancelled": making.cancelled}).encode())

    def _run(self, making):
        self.line.join(making.name)
        making.job = jobs.start(self._work, making, doing="waiting")

    def _work(self, job, making):
        """Wait for the turn, then make it."""
        try:
            with self.line.turn(job, making.name):
                from core.device import share_cores

                share_cores()
                return self.make(job, making)
        except jobs.Stopped:
            making.cancelled = True
            with suppress(InputError):  # then the next server takes it for interrupted
                self._write(making)
            raise

    def _forget(self):
        """Delete the oldest beyond `KEPT`, but for those that run or wait."""
        orders = sorted(self.folder.glob(".*.order.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        mine = [making for file in orders if (making := self.find(file.name.removesuffix(".order.json")[1:]))]
        for making in mine[KEPT:]:
            if not making.busy:
                self.remove(making)
