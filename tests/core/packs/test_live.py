"""Packs of people's own networks in the background: cancelled, resumed, in one line with trainings."""

import pytest

from core.packs import SHIPPED, describe
from core.packs.live import Builds
from core.packs.new import building_of
from core.training.live import Trainings
from tests.waiting import end_all, until

WORDS = ["pack", "new", "--weights", str(SHIPPED / "toybox" / "weights.safetensors"), "--images", "toybox:val", "--limit", "60", "--title", "Mine"]


@pytest.fixture
def builds(tmp_path):
    made = Builds(tmp_path / "own")
    yield made
    end_all(made)


def test_a_cancelled_one_goes_on_with_what_was_measured(builds):
    one = builds.start(WORDS)
    until(lambda: one.job.done)
    one.job.stop.set()
    one.job.wait(60)
    assert one.state == "stopped" and list(building_of(one.folder).iterdir())
    again = Builds(builds.folder)  # another server
    found = again.find(one.name)
    assert found.state == "stopped" and found.option("title") == "Mine"
    again.resume(found)
    found.job.wait(120)
    assert found.state == "done" and found.seconds_left == 0 and not building_of(found.folder).exists()
    facts = describe(found.folder).facts
    assert facts["title"] == "Mine" and facts["figures"]["pictures"] == 12
    again.remove(found)
    assert not any(again.folder.iterdir())


def test_trainings_and_builds_stand_in_one_line_and_know_their_own(builds, tmp_path):
    trainings = Trainings(builds.folder, line=builds.line)
    one = builds.start(WORDS)
    training = trainings.start(["train", "--data", "toybox:train", "--val", "toybox:val", "--epochs", "400"])
    assert trainings.ahead(training) == 1 and training.state == "waiting"
    assert trainings.find(one.name) is None and builds.find(training.name) is None
    for waiting in (training, one):
        waiting.job.stop.set()
        waiting.job.wait(60)
    trainings.remove(training)


def test_what_cannot_work_gets_its_sentence(builds):
    one = builds.start([*WORDS, "--classes", "one,two"])
    one.job.wait(60)
    assert one.state == "failed" and "names" in str(one.job.error)
