import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from core import resident

ROOT = Path(__file__).parents[2]


@pytest.fixture
def system(tmp_path):
    """Return a function that makes folders as Linux has them, and the two that `resident` reads."""

    def make(groups, **limits):
        proc, cgroup = tmp_path / "proc", tmp_path / "cgroup"
        (proc / "self").mkdir(parents=True)
        (proc / "self" / "cgroup").write_text(groups)
        (proc / "meminfo").write_text("MemTotal:        8000 kB\nMemFree:         1000 kB\n")
        for path, text in limits.items():
            file = cgroup.joinpath(*path.split("__")[:-1], path.split("__")[-1].replace("_", ".", 1))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return {"proc": proc, "cgroup": cgroup}

    return make


def test_what_this_process_uses_grows_with_it():
    before = resident.used()
    if before is None:
        pytest.skip("this system does not tell")
    block = bytearray(os.urandom(1) * (64 * 2**20))
    assert resident.used() - before > 48 * 2**20 and len(block)
    assert resident.used(2**30) is None


def test_the_tightest_group_above_the_process_counts(system):
    assert resident.limit(**system("0::/a/b\n", memory_max="max\n", a__memory_max="3000000\n", a__b__memory_max="5000000\n")) == 3_000_000


def test_the_older_groups_are_read_and_without_any_the_machine_counts(system):
    found = system("9:cpu:/x\n4:memory:/gone\n")
    assert resident.limit(**found) == 8000 * 1024
    (found["cgroup"] / "memory").mkdir(parents=True)
    (found["cgroup"] / "memory" / "memory.limit_in_bytes").write_text("4000000\n")  # seen from within a container, whose own group is the root
    assert resident.limit(**found) == 4_000_000


def test_a_system_that_tells_nothing_gets_none(tmp_path):
    assert resident.used(proc=tmp_path) is resident.limit(proc=tmp_path, cgroup=tmp_path) is None


POOLS = """
import ctypes, sys, threading
from core import resident
if sys.argv[1] == "few":
    resident.few_arenas()
libc, together = ctypes.CDLL(None), threading.Barrier(6)
def take():
    together.wait()
    libc.malloc(100)
    together.wait()
threads = [threading.Thread(target=take) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_threads_share_two_pools_of_memory():
    pools = {}
    for which in ("few", "many"):
        done = subprocess.run([sys.executable, "-c", POOLS, which], capture_output=True, text=True, check=True, cwd=ROOT)
        pools[which] = done.stdout.count("<heap nr=")
    assert pools["few"] <= 2 < pools["many"]


def test_memory_is_given_back_once_in_a_while():
    now, done = [0.0], []
    tidying = resident.Tidying(seconds=60, clock=lambda: now[0], act=lambda: done.append(now[0]))
    for now[0] in (1.0, 59.0, 60.0, 61.0, 119.0, 121.0):
        tidying()
    assert done == [60.0, 121.0]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked to")
def test_memory_that_was_freed_is_given_back():
    """Blocks of 100 kB lie in the pool of memory, below one that stays: only a trim returns what lies between."""
    program = "from core import resident; blocks = [bytes(100_000) for _ in range(1000)]; del blocks[:-1]; before = resident.used()"
    program += "; resident.give_back(); print(before - resident.used())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) > 50_000_000
