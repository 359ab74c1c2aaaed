"""How much memory this program uses and how much it may: bytes, as the operating system tells them. Linux tells all of it, others less."""

import ctypes
import os
import platform
import re
import threading
import time
from pathlib import Path

ARENA_MAX, ARENAS = -8, 2  # the option's number in glibc's malloc.h
PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")


def few_arenas():
    """Let all threads of this process share two pools of memory. glibc makes up to eight a core, and what a thread frees stays in its own.

    It does nothing with another C library. Source: mallopt(3), M_ARENA_MAX.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS)


def give_back():
    """Return freed memory to the system: glibc keeps it for what comes next, which after a large piece of work may be nothing.

    It does nothing with another C library. Source: malloc_trim(3).
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


class Tidying:
    """Gives freed memory back when it is called, once in a while. It may be called from any thread."""

    def __init__(self, *, seconds=60.0, clock=time.monotonic, act=give_back):
        """Args: seconds: between two times, at least; clock, act: by default the system's clock and `give_back`."""
        self._seconds, self._clock, self._act = seconds, clock, act
        self._lock, self._next = threading.Lock(), clock() + seconds

    def __call__(self):
        with self._lock:
            if self._clock() < self._next:
                return
            self._next = self._clock() + self._seconds
        self._act()


def used(pid="self", *, proc=PROC):
    """Return the resident bytes of a process, or None where the system does not tell or there is no such process."""
    try:
        pages = int((proc / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def limit(*, proc=PROC, cgroup=CGROUP):
    """Return the bytes that may be used: what the control group allows, else what the machine has, else None.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst (memory.max of each group above the process) and cgroup-v1/memory.rst.
    """
    found = [bytes for file in _limits(proc, cgroup) if (bytes := _number(file)) is not None]
    return min([*found, *filter(None, [machine(proc=proc)])], default=None)


def machine(*, proc=PROC):
    """Return the bytes that the machine has, or None."""
    try:
        total = re.search(r"^MemTotal:\s+(\d+) kB", (proc / "meminfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(total.group(1)) if total else None


def _limits(proc, cgroup):
    """Yield the files that may hold a limit: of the groups that the process is in, from its own up to the root."""
    try:
        groups = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        groups = []
    for line in groups:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        root, name = (cgroup / "memory", "memory.limit_in_bytes") if kinds else (cgroup, "memory.max")
        own = Path(path.lstrip("/"))
        for group in (own, *own.parents):
            yield root / group / name


def _number(file):
    """Return the number in a file, or None where there is none: "max" is no limit."""
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
