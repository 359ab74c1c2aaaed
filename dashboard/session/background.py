"""Work in the background whose results everybody shares: they are kept by the server, each under a key that says what it is.

Pieces of work of different sessions take turns, so that the first results of all come before the last of one.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from core import jobs
from dashboard.session.presence import hold, session


@dataclass(frozen=True)
class Task:
    """One piece of work: `key`, what its result is kept under; `name`, a word for it; `work`, a function of progress(done, total)."""

    key: tuple
    name: str
    work: object


@dataclass
class Work:
    """The tasks of a session that run or ran: `keys`, a tuple; `job`; `started`, by the monotonic clock."""

    keys: tuple
    job: object
    started: float = field(default_factory=time.monotonic)


class Kept:
    """Results by key, the oldest of more than `limit` forgotten. Args: line: the `jobs.Line` in which its work waits, by default its own."""

    def __init__(self, limit, *, line=None):
        self.limit, self.line = limit, jobs.Line() if line is None else line
        self._found, self._lock = OrderedDict(), threading.Lock()

    def __contains__(self, key):
        return key in self._found

    def get(self, key):
        return self._found.get(key)

    def clear(self):
        with self._lock:
            self._found.clear()

    def add(self, key, value):
        with self._lock:
            self._found[key] = value
            while len(self._found) > self.limit:
                self._found.popitem(last=False)

    def start(self, tasks):
        """Do those of the tasks whose results are not kept, in their order, as long as the session in use is there. Returns: the `Work`."""
        work = Work(tuple(task.key for task in tasks), jobs.start(self._do, tuple(tasks), doing=tasks[0].name))
        hold("work", (session(), id(self)), work.job.stop.set)
        return work

    def _do(self, job, tasks):
        for i, task in enumerate(tasks):
            job.doing = task.name
            place = object()
            self.line.join(place)
            with self.line.turn(job, place):
                job.report(i, len(tasks))
                if task.key not in self:
                    self.add(task.key, task.work(lambda done, total, i=i: job.report(i + done / max(total, 1), len(tasks))))
        job.report(len(tasks), len(tasks))
