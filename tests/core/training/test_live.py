"""Trainings in the background: one at a time, cancelled, resumed, found again by another server, killed with theirs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.packs import describe, list_packs
from core.training.command import checkpoint_of
from core.training.live import Trainings
from tests.waiting import end_all, until

ROOT = Path(__file__).parents[3]
WORDS = (
    "train --data toybox:train --val toybox:val --val-limit 20 --limit 48 --holdout 60 --bank 60 --ood-limit 20 --ood noise=toybox:noise"
    " --arch cifar_resnet20 --width 4 --batch-size 16 --peak 0.05 --border crop --epochs 3"
).split()
LONG = [*WORDS, "--epochs", "400"]  # the last --epochs counts


@pytest.fixture
def trainings(tmp_path):
    made = Trainings(tmp_path / "own")
    yield made
    end_all(made)


def ended(one):
    one.job.wait(120)
    assert one.job.error is None
    return one.state


def test_one_becomes_a_pack_that_is_found_by_name_only(trainings, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    mine = Trainings()
    one = mine.start(WORDS)
    assert one.busy and one.option("epochs") == "3" and one.option("alpha") is None
    assert ended(one) == "done" and len(one.curve.loss) == 3 and one.seconds_left == 0
    assert describe(one.name).facts["training"]["command"].startswith("python -m core train --data toybox:train")
    assert one.name not in list_packs() and not checkpoint_of(one.folder).exists()
    again = Trainings()  # another server
    found = again.find(one.name)
    assert found.state == "done" and found.arguments == one.arguments
    curve = again.curve(found)
    assert curve.loss == pytest.approx(one.curve.loss, abs=1e-4) and curve.watched[-1]["noise"] == pytest.approx(one.curve.watched[-1]["noise"], abs=1e-4)
    again.remove(found)
    assert again.find(one.name) is None and Trainings().find(one.name) is None and not any(again.folder.iterdir())


def test_cancelled_ones_go_on_where_they_were(trainings):
    one = trainings.start(LONG)
    until(lambda: one.curve is not None and len(one.curve.loss) >= 2)
    one.job.stop.set()
    assert ended(one) == "stopped" == Trainings(trainings.folder).find(one.name).state
    whole = len(Trainings(trainings.folder).curve(Trainings(trainings.folder).find(one.name)).loss)  # from the checkpoint
    first = trainings.curve(one).loss[:whole]
    assert whole >= 2
    trainings.resume(one)
    trainings.resume(one)  # a second click does nothing
    until(lambda: one.curve is not None and len(one.curve.loss) > whole)
    assert one.curve.loss[:whole] == first
    trainings.remove(one)
    assert not one.busy and trainings.find(one.name) is None


def test_they_wait_for_each_other(trainings):
    first, second, third = (trainings.start(LONG) for _ in range(3))
    assert [trainings.ahead(one) for one in (first, second, third)] == [0, 1, 2]
    until(lambda: first.curve is not None)
    assert first.state == "running" and second.state == third.state == "waiting"
    second.job.stop.set()
    assert ended(second) == "stopped" and trainings.ahead(third) == 1
    assert trainings.curve(second).loss == []
    first.job.stop.set()
    until(lambda: third.curve is not None)
    assert third.state == "running"


def test_what_cannot_work_gets_its_sentence(trainings):
    one = trainings.start([*WORDS, "--alpha", "1"])
    one.job.wait(60)
    assert one.state == "failed" and "takes no --alpha" in str(one.job.error)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", ".x", "nothing"])
def test_strange_names_are_none(trainings, name):
    assert trainings.find(name) is None


def test_the_oldest_go(trainings, monkeypatch):
    monkeypatch.setattr("core.packs.making.KEPT", 2)
    made = []
    for _ in range(3):
        made.append(trainings.start(LONG))
        made[-1].job.stop.set()
        made[-1].job.wait(60)
        time.sleep(0.01)  # so that their files have ages
    assert [trainings.find(one.name) is not None for one in made] == [False, True, True]


def test_killed_with_its_server_it_resumes(tmp_path):
    script = f"import sys, time\nfrom core.training.live import Trainings\nprint(Trainings(sys.argv[1]).start({LONG!r}).name, flush=True)\ntime.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        name = server.stdout.readline().strip()
        until(lambda: checkpoint_of(tmp_path / name).is_file())
        os.kill(server.pid, signal.SIGKILL)
    trainings = Trainings(tmp_path)
    one = trainings.find(name)
    assert one.state == "interrupted", "nobody stopped it"
    whole = len(trainings.curve(one).loss)
    assert whole >= 1
    trainings.resume(one)
    until(lambda: one.curve is not None and len(one.curve.loss) > whole)
    trainings.remove(one)
    assert not any(tmp_path.iterdir())
