"""The search of alpha and eps: what is chosen of its lines, and that a line can be measured."""

import pytest
import torch

from benchmarks.training_grid import CRITERION, GRID, TOLERANCE, choose, trial
from core.images.preprocess import Preprocessing
from core.images.sources import Batch
from core.training import METHODS


def line(accuracy, fpr95, *, method="adversarial-mixup", **settings):
    return {"method": method, "settings": settings, "accuracy": accuracy, "fpr95": fpr95}


def test_the_lowest_fpr_is_chosen():
    lines = [line(60.0, 80.0, eps=0.1), line(60.0, 70.0, eps=0.2), line(60.0, 75.0, eps=0.3)]
    assert choose(lines, "adversarial-mixup") is lines[1]


def test_what_costs_too_much_accuracy_is_not_chosen():
    lines = [line(60.0, 80.0), line(60.0 - TOLERANCE - 0.1, 10.0), line(60.0 - TOLERANCE, 50.0)]
    assert choose(lines, "adversarial-mixup") is lines[2]


def test_accuracy_is_compared_within_the_method():
    lines = [line(90.0, 5.0, method="standard"), line(60.0, 70.0)]
    assert choose(lines, "adversarial-mixup") is lines[1] and choose(lines, "standard") is lines[0]


def test_the_other_reading_is_not_asked():
    lines = [line(60.0, 70.0, reading="blend"), line(99.0, 10.0, reading="two-term")]
    assert choose(lines, "adversarial-mixup") is lines[0]


def test_the_grid_asks_for_what_the_methods_take():
    for method, settings in GRID:
        assert set(settings) <= set(METHODS[method].parameters)
    assert len({str(one) for one in GRID}) == len(GRID)


@pytest.mark.parametrize("method, settings", [("standard", {}), ("adversarial-mixup", {"alpha": 1.0, "eps": 8 / 255, "reading": "blend"})])
def test_a_trial_measures_one_line(method, settings, generator):
    def batch(n):
        images = torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator)
        return Batch(images, torch.arange(n) % 3, ("x",) * n, (None,) * n, ())

    taught, kept = batch(24), batch(12)
    before = taught.images.clone()
    found = trial(method, settings, taught, kept, Preprocessing(32), epochs=1, width=2)
    assert set(found) == {"accuracy", *CRITERION, "fpr95", "confidence", "minutes"}
    assert all(0 <= found[key] <= 100 for key in ("accuracy", *CRITERION, "fpr95")) and 100 / 3 - 0.01 <= found["confidence"] <= 100
    assert found["fpr95"] == pytest.approx(sum(found[kind] for kind in CRITERION) / len(CRITERION), abs=0.02)
    assert torch.equal(taught.images, before)
    again = trial(method, settings, taught, kept, Preprocessing(32), epochs=1, width=2)
    assert {**again, "minutes": 0} == {**found, "minutes": 0}
