"""Runs in a process of their own: what crosses to it and back, and what is left when one of the two dies."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.adaptation.apart import Apart
from core.adaptation.live import Adaptations
from core.adaptation.plan import Plan
from core.errors import InputError
from core.packs import list_packs
from core.runs import Store
from tests.waiting import until

PLAN = Plan("toybox", ("source",), ("fog",), "toybox:test", "toybox:train", limit=12, batch_size=12)
pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs")


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """Return an `Apart` whose process begins with a store of the test's own; one for all tests, since torch takes seconds to start."""
    folder = tmp_path_factory.mktemp("apart")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{folder}/runs.sqlite")
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        made = Apart()
        yield made
        made.close()


@pytest.fixture(scope="module")
def ended(apart):
    """Return a run as it is after its end."""
    return wait_for_end(apart, apart.start(PLAN))


def wait_for_end(apart, name):
    until(lambda: not apart.look(name).busy)
    return apart.look(name)


def pid_of(apart):
    return apart.pid


def lives(pid):
    """Tell whether a process goes on; one that has ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc: it tells which processes go on")


def picture():
    return np.full((1, 32, 32, 3), 128, np.uint8)


def test_nothing_starts_before_something_is_asked_for():
    one = Apart()
    assert (
        one.look("") is None
        and one.look("name") is None
        and one.control("name", "pause") is None
        and one.held() == (0, 0)
        and one.judge("name", picture()) == {}
    )
    assert one.pid is None
    one.close()


def test_a_run_is_started_looked_at_and_stored(apart, ended):
    assert ended.state == "done" and ended.plan == PLAN and ended.error is None and ended.unstored is None
    assert ended.lanes["source"].state == "done" and len(ended.document["methods"]["source"]["rows"]) == 1
    assert ended.pictures[1].shape == (12, 32, 32, 3) and ended.pictures[1].dtype == np.uint8
    with Store() as store:
        assert store.get(ended.stored).result["methods"]["source"]["rows"][0]["n"] == 12
    assert apart.look(ended.stored).name == ended.name and apart.look("other") is None


def test_it_is_not_this_process_that_computes(apart, ended):
    assert pid_of(apart) != os.getpid() and lives(pid_of(apart))


def test_it_sees_what_a_run_here_sees(apart, ended):
    runs, threads = Adaptations(), torch.get_num_threads()
    one = runs.start(PLAN)
    one.job.wait(120)
    torch.set_num_threads(threads)
    (mine,), (theirs,) = (made["methods"]["source"]["rows"] for made in (one.document(), ended.document))
    assert (mine["predicted"], mine["labels"], mine["counts"]) == (theirs["predicted"], theirs["labels"], theirs["counts"])
    here, there = (who.judge(name, ended.pictures[1][:1], "clean")["source"] for who, name in ((runs, one.name), (apart, ended.name)))
    assert len(there) == 1 and there[0].class_name == here[0].class_name and there[0].confidence == pytest.approx(here[0].confidence, abs=1e-3)
    assert (there[0].verdict.verdict, there[0].verdict.p_value) == (here[0].verdict.verdict, pytest.approx(here[0].verdict.p_value, abs=0.01))


def test_an_error_crosses_with_its_key_and_values(apart):
    failed = wait_for_end(apart, apart.start(replace(PLAN, pictures="data:no_such")))
    assert failed.state == "failed" and isinstance(failed.error, InputError) and failed.stored is None
    assert failed.error.key == "source.missing" and "no_such" in str(failed.error) and "no_such" in str(failed.error.values)


def test_a_run_is_cancelled_from_here(apart):
    name = apart.start(replace(PLAN, limit=480, methods=("source", "bn")))
    apart.control(name, "pause")
    assert apart.held() == (1, 0)
    apart.control(name, "cancel")
    assert wait_for_end(apart, name).state == "cancelled" and apart.held() == (0, 0)


def test_a_bug_over_there_is_raised_here_and_the_process_goes_on(apart, ended):
    pid = pid_of(apart)
    with pytest.raises(KeyError):
        apart.control(ended.name, "dance")
    assert apart.look(ended.name).state == "done" and pid_of(apart) == pid


@needs_proc
def test_a_process_that_was_killed_is_forgotten_and_a_new_one_starts(apart, ended):
    gone = pid_of(apart)
    os.kill(gone, signal.SIGKILL)
    until(lambda: not lives(gone), 10)
    assert apart.look(ended.name) is None and apart.judge(ended.name, picture()) == {} and apart.control(ended.name, "cancel") is None
    again = wait_for_end(apart, apart.start(PLAN))
    assert again.state == "done" and pid_of(apart) != gone and again.document["methods"]["source"]["rows"][0]["n"] == 12
    with Store() as store:
        assert {run.id for run in store.list("adaptation")} >= {ended.stored, again.stored}, "what was kept outlives it"


@pytest.mark.parametrize("lost", [BrokenPipeError, ConnectionRefusedError, EOFError, FileNotFoundError])
def test_a_process_that_no_longer_answers_is_gone_though_it_counts_as_alive(lost):
    """As it does for a moment after it was killed."""

    def look(name):
        raise lost

    one = Apart()
    one._process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    one._far = SimpleNamespace(look=look)
    assert one.look("name") is None and one.pid is None and one._far is None


@needs_proc
def test_close_leaves_no_process(apart):
    apart.look("name")
    apart.start(PLAN)
    pid = pid_of(apart)
    apart.close()
    until(lambda: not lives(pid), 10)
    assert apart.look("name") is None and apart.pid is None
    apart.close()


PARENT = """
import time
from core.adaptation.apart import Apart

if __name__ == "__main__":
    apart = Apart()
    apart._reach(True)
    print(apart.pid, flush=True)
    time.sleep(600)
"""


@needs_proc
def test_it_ends_when_its_parent_is_killed(tmp_path):
    root = Path(__file__).parents[3]
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script], env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        try:
            assert lives(child)
            parent.kill()
            until(lambda: not lives(child), 15)
        finally:
            parent.kill()
            if lives(child):
                os.kill(child, signal.SIGKILL)
