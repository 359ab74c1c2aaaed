"""Work in the background: progress, cancel, result. The work itself knows nothing of who waits for it."""

import logging
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.errors import InputError

log = logging.getLogger(__name__)


class Stopped(Exception):
    """Raised by `Job.report` inside work that was asked to end."""


@dataclass
class Job:
    """One piece of work in a thread of its own.

    Attributes:
        done, total: progress, as the work reports it; total 0 where it is not known. doing: a word for what it does just now.
        result: what the work returned; error: the `InputError` it raised; bug: what else it raised, which is logged, and which `wait` and `check` raise again.
        stop: set to ask the work to end; work that calls `report` ends there, other work looks at it itself.
        stopped: whether it ended because of that.
    """

    done: int = 0
    total: int = 0
    doing: str = ""
    result: object = None
    error: InputError | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    stopped: bool = False
    bug: BaseException | None = None
    _thread: Any = None  # a `threading.Thread` once the work has begun

    @property
    def running(self):
        return self._thread is not None and self._thread.is_alive()

    def report(self, done, total):
        """Say how far the work has come. Raises: Stopped if it was asked to end."""
        self.done, self.total = done, total
        if self.stop.is_set():
            raise Stopped

    def wait(self, seconds=None):
        """Wait until the work ends. Returns: self. Raises: what the work raised, unless it is an `InputError`."""
        self._thread.join(seconds)
        return self.check()

    def check(self):
        if self.bug is not None:
            raise self.bug
        return self


class Turn:
    """A lock that goes round: whoever has waited longest is next, so that pieces of work that take it again and again share fairly."""

    def __init__(self):
        self._waiting, self._changed = deque(), threading.Condition()

    def __enter__(self):
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._waiting[0] is ticket)

    def __exit__(self, *_):
        with self._changed:
            self._waiting.popleft()
            self._changed.notify_all()

    def pass_on(self):
        """Let the others go first, for whoever has the turn."""
        self.__exit__()
        self.__enter__()


class Line:
    """Jobs that are done one at a time, in the order in which they came; one that waits can be asked to end."""

    def __init__(self):
        self._names, self._changed = [], threading.Condition()

    def __len__(self):
        """Return how many run or wait. A line without any is false: ask whether it `is None`."""
        return len(self._names)

    def join(self, name):
        with self._changed:
            self._names.append(name)

    def ahead(self, name):
        """Return how many run or wait before this one."""
        with self._changed:
            return self._names.index(name) if name in self._names else 0

    @contextmanager
    def turn(self, job, name):
        """Wait for the turn of a name that has joined, and leave the line at the end. Raises: Stopped if the job was asked to end meanwhile."""
        try:
            with self._changed:
                while self._names[0] != name:
                    self._changed.wait(0.2)
                    job.report(0, 0)
            yield
        finally:
            with self._changed:
                self._names.remove(name)
                self._changed.notify_all()


def start(work, *arguments, doing=""):
    """Run `work(job, *arguments)` in the background. Args: doing: what the job does first. Returns: its `Job`."""
    job, name, began = Job(doing=doing), getattr(work, "__name__", "job"), time.monotonic()

    def run():
        log.info("job began", extra={"job": name})
        try:
            job.result = work(job, *arguments)
        except Stopped:
            job.stopped = True
        except InputError as error:
            job.error = error
        except BaseException as error:  # kept for whoever waits: a thread has nobody above it
            job.bug = error
            log.exception("job failed", extra={"job": name})
        ended = "failed" if job.bug else "refused" if job.error else "stopped" if job.stopped or job.stop.is_set() else "done"
        key = {"key": job.error.key} if job.error else {}
        log.info("job ended", extra={"job": name, "ended": ended, "seconds": round(time.monotonic() - began, 3), **key})

    job._thread = threading.Thread(target=run, name=name, daemon=True)
    job._thread.start()
    return job
