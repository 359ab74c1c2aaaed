"""Runs of adaptation in a process of their own: a page that is drawn and a network that learns would wait for each other in one.

Python lets one thread of a process compute at a time but within large operations of torch; a step of DPLOT is thousands of small ones.
"""

import os
import threading
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.managers import BaseManager

from core import jobs

_LOST = (EOFError, ConnectionError, BrokenPipeError)


class Apart:
    """The methods of `core.adaptation.live.Adaptations`, carried out in another process, which is started at the first need and after it has died.

    What it knows ends with it: a run of a process that has died is not there any more, but in the run store if it had ended.
    """

    def __init__(self):
        self._lock, self._manager, self._far = threading.Lock(), None, None

    def prepare(self, plan):
        """Start the process and let it read a plan's pictures, in the background."""
        jobs.start(lambda job: self._call("prepare", plan))

    def start(self, plan):
        """Start a run. Returns: its name."""
        return self._call("begin", plan)

    def look(self, name):
        """Return a `core.adaptation.live.Seen`, or None; asks no process that is not there."""
        return self._call("look", name, needed=False) if name else None

    def control(self, name, what):
        self._call("control", name, what, needed=False)

    def judge(self, name, images, domain=None):
        return self._call("judge", name, images, domain, needed=False) or {}

    def close(self):
        """End the process."""
        with self._lock:
            if self._manager is not None:
                self._manager.shutdown()
            self._manager = self._far = None

    def _call(self, method, *arguments, needed=True):
        """Call a method over there, once more in a new process if that one has died. Args: needed: whether to start one for it."""
        for last in (False, True):
            far = self._process(needed)
            if far is None:
                return None
            try:
                return getattr(far, method)(*arguments)
            except _LOST:
                if last:
                    raise

    def _process(self, needed):
        with self._lock:
            if self._manager is not None and not self._manager._process.is_alive():
                self._manager = self._far = None
            if self._manager is None and needed:
                manager = _Manager(ctx=get_context("spawn"))
                manager.start(_end_with_parent)
                self._manager, self._far = manager, manager.Adaptations()
            return self._far


class _Manager(BaseManager):
    pass


def _adaptations():
    from core.adaptation.live import Adaptations

    return Adaptations()


_Manager.register("Adaptations", _adaptations, exposed=("prepare", "begin", "look", "control", "judge"))


def _end_with_parent():
    """Let this process end when the one that started it does, however that ends."""

    def watch():
        wait([parent_process().sentinel])
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
