"""Runs of adaptation in a process of their own: a page that is drawn and a network that learns would wait for each other in one.

Python lets one thread of a process compute at a time but within large operations of torch; a step of DPLOT is thousands of small ones.
"""

import os
import secrets
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

from core import jobs, logs, resident

_LOST = (EOFError, ConnectionError, FileNotFoundError)  # the last where its socket is gone
CALLERS = 8  # threads that ask the other process, so many at a time
NICE = 10  # by how much pages go before what adapts


class Apart:
    """The methods of `core.adaptation.live.Adaptations`, carried out in another process, which is started at the first need and after it has died.

    What it knows ends with it: a run of a process that has died is not there any more, but in the run store if it had ended.
    """

    def __init__(self):
        self._lock, self._process, self._far = threading.Lock(), None, None
        self._callers = ThreadPoolExecutor(CALLERS, "adapting")  # each keeps its connection, which takes longer to open than most calls last

    def prepare(self, plan):
        """Start the process and let it read a plan's pictures, in the background."""
        jobs.start(lambda job: self._call("prepare", plan))

    def start(self, plan, owner=None):
        """Start a run. Args: owner: whose it is in the run store. Returns: its name. Raises: InputError where too many wait."""
        return self._call("begin", plan, owner)

    def look(self, name):
        """Return a `core.adaptation.live.Seen`, or None; asks no process that is not there."""
        return self._call("look", name, needed=False) if name else None

    def control(self, name, what):
        self._call("control", name, what, needed=False)

    def judge(self, name, images, domain=None):
        return self._call("judge", name, images, domain, needed=False) or {}

    @property
    def pid(self):
        """Return the number of the process, or None."""
        return self._process.pid if self._process else None

    def held(self):
        """Return how many runs go on and how many wait."""
        return self._call("held", needed=False) or (0, 0)

    def close(self):
        """End the process."""
        with self._lock:
            self._end()

    def _call(self, method, *arguments, needed=True):
        """Call a method over there, once more in a new process if that one has died. Args: needed: whether to start one for it."""
        for last in (False, True):
            far = self._reach(needed)
            if far is None:
                return None
            try:
                return self._callers.submit(getattr(far, method), *arguments).result()
            except _LOST:
                self._forget(far)
                if last:
                    raise

    def _forget(self, far):
        """Let go of a process that no longer answers: for a moment after its end it may still count as alive."""
        with self._lock:
            if self._far is far:
                self._end()

    def _end(self):
        if self._process is not None:
            self._process.kill()
            with self._process:  # closes its pipes and waits
                self._process = self._far = None

    def _reach(self, needed):
        """Return what stands for the other side, or None where there is no process and none is needed."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._end()
            if self._process is None and needed:
                self._process, self._far = _begin()
            return self._far


class _Manager(BaseManager):
    pass


def _adaptations():
    from core.adaptation.live import Adaptations

    return Adaptations()


_Manager.register("Adaptations", _adaptations, exposed=("prepare", "begin", "look", "control", "judge", "held"))


def _begin():
    """Start the process. It is no child of multiprocessing, which would carry out there whatever program runs here."""
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    command = [sys.executable, "-m", "core.adaptation.apart"]
    process: Any = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
    key = secrets.token_hex(32)
    process.stdin.write(f"{key}\n")
    process.stdin.flush()
    address = process.stdout.readline().strip()
    if not address:
        raise RuntimeError(f"the process that adapts did not start; it ended with {process.wait()}")
    manager: Any = _Manager(address, key.encode())
    manager.connect()
    return process, manager.Adaptations()


def serve():
    """Be that process: read the key, print the address, and end when the other side does, however it ends."""
    logs.set_up()
    resident.few_arenas()
    key = sys.stdin.readline().strip()
    if hasattr(os, "nice"):
        os.nice(NICE)
    server = _Manager(authkey=key.encode()).get_server()
    print(server.address, flush=True)

    def watch():
        sys.stdin.read()  # it closes with whoever holds the other end
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    from core.adaptation import apart

    apart.serve()  # by its name in the package: what is sent across is known by that
